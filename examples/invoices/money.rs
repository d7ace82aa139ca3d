//! Money in whole cents: floats would lose some on the way.

use std::fmt;
use std::iter::Sum;
use std::ops::{Mul, Sub};

/// So wide that no file can make it overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cents(i128);

/// The most digits before the point that are read.
const DIGITS: usize = 15;

impl Cents {
    /// Reads `12`, `12.5`, `12.50`, `-3.00`, and `12,50` as many countries write it. Everything else is
    /// refused: of `1,234` and `1.234` nobody can tell what was meant.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = unsigned.split_once(['.', ',']).unwrap_or((unsigned, "00"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, DIGITS) || !digits(fraction, 2) {
            return None;
        }
        let cents: i128 = format!("{whole}{fraction:0<2}").parse().ok()?;
        Some(Self(sign * cents))
    }

    /// How many times `part` is in this amount; `None` when it does not divide without a rest.
    pub fn count_of(self, part: Self) -> Option<i128> {
        (part.0 != 0 && self.0 % part.0 == 0).then(|| self.0 / part.0)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Mul<u32> for Cents {
    type Output = Self;

    fn mul(self, count: u32) -> Self {
        Self(self.0 * i128::from(count))
    }
}

impl Sub for Cents {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}
