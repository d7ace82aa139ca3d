//! Text that is read whatever its encoding is.

use std::error::Error as StdError;

use ::postgres::types::{FromSql, Type};

/// Text as the table has it: where the server converts nothing (`SQL_ASCII`), it may be in any encoding.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON | Type::BYTEA
        )
    }
}
