//! The way from version 0.1.0, which noted what it applied in a table that it called `migrations`.

use super::super::adapter::Adapter;
use super::file::{File, is_old_name};
use crate::error::Result;

/// The columns of that table, in the order of their names. Those of other programs differ.
const COLUMNS: [&str; 3] = ["applied_at", "batch", "name"];

/// Takes over what version 0.1.0 applied. Its table is left as it is; another program's is not looked into.
pub(super) fn take_over(adapter: &mut dyn Adapter, files: &[&File]) -> Result<()> {
    let columns = adapter.query("old_columns", &[])?;
    if !columns.iter().map(|row| row.text(0)).eq(COLUMNS) {
        return Ok(());
    }
    let applied = adapter.query("old_migrations", &[])?;
    let is_ours = |name: String| is_old_name(&name) || files.iter().any(|file| file.name == name);
    match applied.iter().any(|row| is_ours(row.text(0))) {
        true => adapter.execute("take_old_migrations", &[]).map(drop),
        false => Ok(()),
    }
}
