//! Values of ours as PostgreSQL's, and its instants as ours.

use std::error::Error as StdError;
use std::time::Duration;

use ::postgres::types::private::BytesMut;
use ::postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::adapter::Value;

type Outcome<T> = Result<T, Box<dyn StdError + Sync + Send>>;

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) if *kind == Type::UUID => text.parse::<uuid::Uuid>()?.to_sql(kind, out),
            Self::Text(text) => text.as_str().to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::UUID)
    }

    to_sql_checked!();
}

/// An instant as the server has it: microseconds since 2000. Only compared and given back; `infinity` is fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i64);

impl Instant {
    /// `-infinity`.
    pub(super) const BEFORE_ALL: Self = Self(i64::MIN);

    /// How long after an earlier one.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The year 9999: what is due then, or later, would never run.
    const FAR: Self = Self(252_424_080_000_000_000);

    pub(super) fn is_far(self) -> bool {
        self >= Self::FAR
    }
}

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}
