//! Texts of which a database refuses less and less.

use super::adapter::Adapter;
use super::dead::plain;
use crate::error::Result;
use crate::payload;

/// The lengths of an exception that the database refuses as it is.
const SHORT: usize = 1_024;
const SHORTEST: usize = 200;

/// The text as far as the database can store it, then a shorter one, then a short one of ASCII alone.
pub(super) fn weaker_texts<A: Adapter + ?Sized>(adapter: &mut A, text: &str) -> Result<Vec<String>> {
    let storable = adapter.storable(text)?;
    let short = payload::shortened(&storable, SHORT);
    let shortest = payload::shortened(&plain(&short), SHORTEST);
    Ok(vec![storable, short, shortest])
}
