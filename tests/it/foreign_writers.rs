//! Who else writes to a back end under test: with SQL, as somebody would who has nothing of ours.

use craft_queue::conformance::ForeignWriter;

/// Runs SQL on one kind of database.
pub struct Sql {
    pub run: Box<dyn Fn(&str) + Send + Sync>,
    pub dialect: &'static Dialect,
}

/// What there is to say in it.
pub struct Dialect {
    /// What comes first in each session.
    before: &'static str,
    /// Columns and their values that can't be read.
    unreadable: &'static [(&'static str, &'static str)],
    /// What refuses each change of the jobs of one name, which stands for `NAME`.
    refuse: &'static str,
}

impl ForeignWriter for Sql {
    fn add_unreadable(&self, queue: &str) -> usize {
        let rows = self.dialect.unreadable;
        for (column, value) in rows {
            let (name, of_name) = if *column == "name" { ("", "") } else { ("name, ", "'Odd', ") };
            (self.run)(&format!(
                "{}; INSERT INTO jobs ({name}queue, payload, {column}) VALUES ({of_name}'{queue}', '{{}}', {value})",
                self.dialect.before
            ));
        }
        rows.len()
    }

    fn refuse_changes(&self, name: &str) {
        (self.run)(&self.dialect.refuse.replace("NAME", name));
    }
}

pub const SQLITE: Dialect = Dialect {
    before: "SELECT 1",
    unreadable: &[
        ("available_at", "'soon'"),
        ("available_at", "9e999"),
        ("priority", "1.5"),
        ("attempts", "'many'"),
        ("suspect", "'x'"),
        ("name", "CAST(x'ff' AS TEXT)"),
        ("unique_key", "x'ff'"),
        ("options", "x'fe'"),
    ],
    refuse: "
        CREATE TRIGGER refuse_update BEFORE UPDATE ON jobs WHEN OLD.name = 'NAME'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END;
        CREATE TRIGGER refuse_delete BEFORE DELETE ON jobs WHEN OLD.name = 'NAME'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END",
};

pub const POSTGRES: Dialect = Dialect {
    before: "SELECT 1",
    unreadable: &[
        ("available_at", "'infinity'"),
        ("available_at", "'9999-12-31'"),
        ("attempts", "-2147483648"),
        ("attempts", "-9"),
    ],
    refuse: "
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON jobs FOR EACH ROW WHEN (OLD.name = 'NAME')
        EXECUTE FUNCTION refuse()",
};

pub const MYSQL: Dialect = Dialect {
    before: "SET sql_mode = ''",
    unreadable: &[
        ("available_at", "'0000-00-00'"),
        ("available_at", "'9999-12-31 23:59:59'"),
        ("unique_key", "UNHEX(SHA1('abc'))"),
        ("attempts", "-9"),
    ],
    refuse: "DELIMITER $
        CREATE TRIGGER refuse_update BEFORE UPDATE ON jobs FOR EACH ROW BEGIN
        IF OLD.name = 'NAME' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF; END$
        CREATE TRIGGER refuse_delete BEFORE DELETE ON jobs FOR EACH ROW BEGIN
        IF OLD.name = 'NAME' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF; END$",
};
