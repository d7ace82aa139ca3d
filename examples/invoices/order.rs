//! An order: whose it is, its lines, and whether they add up.

use crate::money::Cents;

/// An order, as the lines of the file tell it.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: String,
    pub customer: Customer,
    pub date: Option<String>,
    pub currency: Option<String>,
    /// What the file says it comes to; `None` where it does not say.
    pub total: Option<Cents>,
    pub lines: Vec<Line>,
    /// Lines that belong to it and could not be read, each as a sentence with its number.
    pub unreadable: Vec<String>,
}

/// Whom it goes to.
#[derive(Clone, Debug)]
pub struct Customer {
    pub name: String,
    pub email: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub postal_code: Option<String>,
    pub country: Option<String>,
}

/// One thing that was ordered.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it stands in the file.
    pub number: u64,
    pub item: String,
    pub artist: Option<String>,
    pub quantity: u32,
    pub unit_price: Cents,
}

/// How an order was mended.
#[derive(Debug)]
pub struct Mend {
    pub line: u64,
    pub from: u32,
    pub to: u32,
}

pub const MOST_OF_ONE_ITEM: u32 = 1_000_000;

impl Line {
    pub fn amount(&self) -> Cents {
        self.unit_price * self.quantity
    }
}

impl Order {
    pub fn sum(&self) -> Cents {
        self.lines.iter().map(Line::amount).sum()
    }

    /// What the customer owes.
    ///
    /// # Errors
    /// A line could not be read, or the lines do not add up to the order's total: no invoice must go out.
    pub fn checked_total(&self) -> Result<Cents, String> {
        if !self.unreadable.is_empty() {
            return Err(self.unreadable.join("; "));
        }
        let sum = self.sum();
        match self.total {
            Some(total) if total != sum => {
                Err(format!("its lines add up to {sum}, but its total says {total}"))
            }
            _ => Ok(sum),
        }
    }

    /// Corrects a quantity whose key was hit twice, if that makes the lines add up and no other line's
    /// could. A shop would ask a person; here the sums decide, and only where they leave no choice.
    pub fn mend(&mut self) -> Option<Mend> {
        let excess = self.sum() - self.total.filter(|_| self.unreadable.is_empty())?;
        let mut mends = self.lines.iter_mut().filter_map(|line| {
            let too_many = excess.count_of(line.unit_price)?;
            let to = u32::try_from(i128::from(line.quantity) - too_many).ok()?;
            is_doubled_key(line.quantity, to).then_some((line, to))
        });
        let (Some((line, to)), None) = (mends.next(), mends.next()) else { return None };
        let from = std::mem::replace(&mut line.quantity, to);
        Some(Mend { line: line.number, from, to })
    }
}

/// Whether `typed` is `meant` with one digit twice: 11 for 1, 122 for 12.
fn is_doubled_key(typed: u32, meant: u32) -> bool {
    let typed = typed.to_string();
    (1..typed.len()).any(|place| {
        let (before, after) = typed.split_at(place);
        before.as_bytes().last() == after.as_bytes().first()
            && format!("{before}{}", &after[1..]) == meant.to_string()
    })
}
