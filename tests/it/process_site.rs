//! A place where real workers work: a folder with a configuration, and tables in a database.

use std::ops::Range;
use std::path::{Path, PathBuf};

use craft_queue::{Config, Queue};

use crate::programs::{Running, Said, craft, ledger, run, test_jobs};
use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Folder, config_on};

/// Where the jobs lie: in a file of the site's folder, or in a database of its own on a server.
#[derive(Clone, Debug)]
pub enum Place {
    Sqlite,
    Postgres(String),
    MariaDb(String),
}

impl Place {
    /// On the PostgreSQL server of these tests.
    pub fn postgres() -> Self {
        Self::Postgres(Postgres::shared().database())
    }

    /// On their MariaDB server.
    pub fn mariadb() -> Self {
        Self::MariaDb(MariaDb::shared().database())
    }

    /// A folder with a configuration: these lines in `[database]`, and these at its end.
    pub fn folder(&self, settings: &str, more: &str) -> Folder {
        let folder = Folder::new();
        let text = format!("[database]\n{settings}\n{}{more}", self.in_file());
        std::fs::write(folder.join("queue.toml"), text).unwrap();
        folder
    }

    /// As a connection's `driver` is written.
    pub fn dialect(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::MariaDb(_) => "mysql",
        }
    }

    /// Runs a script, and gives the rows of its last query, a tab between columns.
    pub fn script(&self, folder: &Folder, sql: &str) -> String {
        self.try_script(folder, sql).unwrap_or_else(|error| panic!("cannot run `{sql}`: {error}"))
    }

    /// The same; an error is what the database says.
    pub fn try_script(&self, folder: &Folder, sql: &str) -> Result<String, String> {
        let rows = match self {
            Self::Sqlite => {
                rows_of_file(&folder.join("jobs.sqlite3"), sql).map_err(|error| error.to_string())
            }
            Self::Postgres(url) => postgres::query(url, sql).map(|rows| rows.replace('|', "\t")),
            Self::MariaDb(url) => mariadb::query(url, sql),
        };
        Ok(rows?.trim().to_owned())
    }

    fn in_file(&self) -> String {
        match self {
            Self::Sqlite => "[connections.sqlite]\ndriver = \"sqlite\"\ndatabase = \"jobs.sqlite3\"\n".into(),
            Self::Postgres(url) | Self::MariaDb(url) => format!("[connections.server]\nurl = \"{url}\"\n"),
        }
    }

    fn config(&self, folder: &Folder) -> Config {
        match self {
            Self::Sqlite => Config::sqlite(folder.join("jobs.sqlite3")),
            Self::Postgres(url) | Self::MariaDb(url) => config_on(url),
        }
    }
}

fn rows_of_file(path: &Path, sql: &str) -> rusqlite::Result<String> {
    let file = rusqlite::Connection::open(path)?;
    if !sql.starts_with("SELECT") {
        file.execute_batch(sql)?;
        return Ok(String::new());
    }
    let mut statement = file.prepare(sql)?;
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let text = |at| match row.get_unwrap::<_, rusqlite::types::Value>(at) {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            _ => String::new(),
        };
        Ok((0..columns).map(text).collect::<Vec<_>>().join("\t"))
    };
    let rows: Vec<String> = statement.query_map([], row)?.collect::<Result<_, _>>()?;
    Ok(rows.join("\n"))
}

/// SQL as version 0.1.0 wrote it, or what was in its tables.
pub fn of_first_version(dialect: &str, what: &str) -> String {
    let path = format!("{}/tests/it/first_version/{dialect}_{what}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Each of these functions is one test for each database, in a place of its own there.
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(crate::process_site::Place::Sqlite); })+
        }
        crate::process_site::on_every_server!($($test),+);
    };
}

/// The same without SQLite.
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(crate::process_site::Place::postgres()); })+
        }
        mod mariadb {
            $(#[test] fn $test() { super::$test(crate::process_site::Place::mariadb()); })+
        }
    };
}

pub(crate) use {on_every_database, on_every_server};

pub struct Site {
    pub folder: Folder,
    pub queue: Queue,
    pub place: Place,
}

impl Site {
    /// On SQLite, with these lines in `[database]`, and these after it.
    pub fn new(settings: &str, more: &str) -> Self {
        Self::make(Place::Sqlite, &format!("poll = 0.02\nattempts = 1\n{settings}"), more)
    }

    /// Anywhere, with this lease in seconds, and more attempts than a test can use up.
    pub fn with_lease(place: Place, lease: &str) -> Self {
        Self::make(place, &format!("lease = {lease}\npoll = 0.05\nattempts = 20"), "")
    }

    /// Anywhere, with these lines in `[database]`, and these after it.
    pub fn make(place: Place, settings: &str, more: &str) -> Self {
        let folder = place.folder(settings, more);
        let installed = run(craft(&folder, &["queue:install"]));
        assert_eq!(installed.status, 0, "{}", installed.err);
        let queue = Queue::open(place.config(&folder), Default::default()).unwrap();
        Self { folder, queue, place }
    }

    /// Runs SQL in the database, and answers the columns of its first row.
    pub fn sql(&self, sql: &str) -> Vec<String> {
        let (text, between) = match &self.place {
            Place::Sqlite => return self.sql_in_file(sql),
            Place::Postgres(url) => (postgres::query(url, sql), '|'),
            Place::MariaDb(url) => (mariadb::query(url, sql), '\t'),
        };
        let text = text.unwrap_or_else(|error| panic!("cannot run `{sql}`: {error}"));
        text.lines().next().unwrap_or_default().split(between).map(str::to_owned).collect()
    }

    fn sql_in_file(&self, sql: &str) -> Vec<String> {
        let file = rusqlite::Connection::open(self.file("jobs.sqlite3")).unwrap();
        let mut statement = file.prepare(sql).unwrap();
        let columns = 0..statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let Some(row) = rows.next().unwrap() else { return Vec::new() };
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            _ => String::new(),
        };
        columns.map(|at| text(row.get_unwrap(at))).collect()
    }

    /// Pushes jobs that write into the ledger, all at once and in plain SQL; `more` is added to their
    /// payloads.
    pub fn push_ledgers(&self, numbers: Range<u64>, more: &str) {
        let file = self.file("ledger");
        let row = |number| format!("('Ledger', '{{\"file\":{file:?},\"number\":{number}{more}}}')");
        let rows: Vec<_> = numbers.map(row).collect();
        self.sql(&format!("INSERT INTO jobs (name, payload) VALUES {}", rows.join(",")));
    }

    /// A worker with four threads.
    pub fn worker(&self, more: &[&str]) -> Running {
        let mut arguments = vec!["queue:work", "--workers", "4"];
        arguments.extend(more);
        Running::start(test_jobs(&self.folder, &arguments))
    }

    /// How many jobs wait, are delayed, or run.
    pub fn left(&self) -> u64 {
        let sizes = self.queue.size(None, &["default".into()]).unwrap();
        [sizes[0].waiting, sizes[0].delayed, sizes[0].running].into_iter().flatten().sum()
    }

    /// How many jobs of the ledger have run to an end.
    pub fn ended(&self) -> usize {
        let runs = ledger(&self.file("ledger"));
        runs.values().filter(|runs| runs.iter().any(|run| run.end.is_some())).count()
    }

    /// Jobs run in child processes.
    pub fn of_processes(settings: &str) -> Self {
        Self::new(&format!("mode = \"multiprocess\"\n{settings}"), "")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub fn push(&self, name: &str, payload: &str) {
        self.queue.options().push_json(name, payload, 1).unwrap();
    }

    /// A job that only writes into the ledger.
    pub fn push_innocent(&self, number: u64) {
        let file = self.file("ledger");
        self.push("Ledger", &format!("{{\"file\":{file:?},\"number\":{number}}}"));
    }

    /// Works everything off with the program of the tests.
    pub fn work_off(&self, more: &[&str]) -> Said {
        let mut arguments = vec!["queue:work", "--stop-when-empty"];
        arguments.extend(more);
        run(test_jobs(&self.folder, &arguments))
    }

    /// As that, with the stock binary, which knows no job but programs.
    pub fn work_off_programs(&self, more: &[&str]) -> Said {
        let mut arguments = vec!["queue:work", "--stop-when-empty"];
        arguments.extend(more);
        run(craft(&self.folder, &arguments))
    }

    /// The failed jobs: how often each was attempted, and why it is dead.
    pub fn failed(&self) -> Vec<(u32, String)> {
        let failed = self.queue.failed().list(&Default::default()).unwrap();
        failed.into_iter().map(|failed| (failed.attempts, failed.exception)).collect()
    }

    /// The only failed job's reason.
    pub fn reason(&self) -> String {
        let mut failed = self.failed();
        assert_eq!(failed.len(), 1, "{failed:?}");
        failed.remove(0).1
    }
}

/// Whether a process is there; one that has ended and was not waited for is not.
pub fn is_alive(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// The living processes that this one has started, by what their command line says.
pub fn children_of(id: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let child = |stat: String| {
        let (number, rest) = (stat.split(' ').next()?, stat.rsplit(") ").next()?);
        let parent = rest.split(' ').nth(1)?;
        (parent == id.to_string()).then(|| number.parse().ok()).flatten()
    };
    stats.filter_map(child).collect()
}
