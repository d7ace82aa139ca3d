//! Pages about one subject each.

#[doc = include_str!("pushing_with_sql.md")]
pub mod pushing_with_sql {}
