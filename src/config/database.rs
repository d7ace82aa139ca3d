//! `[database]`.

use super::kind::Field;
use super::{Settings, schema};

/// `[database]`: jobs wait in a table.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// What every driver may say.
    pub settings: Settings,
    /// A key of `[connections]`.
    pub connection: String,
    /// The table that jobs wait in: letters, digits and underscores, at most 52.
    pub table: String,
    /// SQLite only: what survives a power cut.
    pub durability: Durability,
}

/// What survives a power cut (SQLite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A push that returned `Ok`.
    #[default]
    Full,
    /// The database, but not the last commits. A crash of the program loses nothing either way.
    Normal,
}

impl DatabaseConfig {
    /// Whether `name` is the table that jobs wait in; to SQLite and MySQL the case may not matter.
    pub(super) fn is_table(&self, name: &str) -> bool {
        self.table.eq_ignore_ascii_case(name)
    }

    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { settings, connection, table, durability } = self;
        let mut fields = vec![
            Field::new("connection", connection, schema::NAME),
            Field::new("table", table, schema::TABLE),
        ];
        fields.extend(settings.fields("failed_connection"));
        fields.push(Field::new("durability", durability, schema::DURABILITY));
        fields
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            connection: "sqlite".into(),
            table: "jobs".into(),
            durability: Durability::Full,
        }
    }
}
