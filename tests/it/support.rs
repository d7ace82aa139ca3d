//! A queue on an SQLite file of the test's own, and jobs that write down what they did.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use craft_queue::driver::database::Database;
use craft_queue::{Backoff, Config, Connection, Context, JobError, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;

/// The longest a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that is removed when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("craft-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until something is so; never asserts that it is so fast.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a count has reached a goal, for as long as it goes on rising.
pub fn wait_while_it_rises(what: &str, goal: usize, mut count: impl FnMut() -> usize) {
    let mut reached = count();
    while reached < goal {
        let before = reached;
        wait_until(&format!("{what}: {before} of {goal}, and one more"), || {
            reached = count();
            reached > before
        });
    }
}

/// What jobs wrote down, in order.
#[derive(Clone, Default)]
pub struct Diary(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Diary {
    pub fn note(&self, line: impl Into<String>) {
        self.0.0.lock().unwrap().push(line.into());
        self.0.1.notify_all();
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }

    pub fn wait_for(&self, line: &str) {
        let lines = self.0.0.lock().unwrap();
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|other| other == line);
        let (lines, timeout) = self.0.1.wait_timeout_while(lines, PATIENCE, missing).unwrap();
        assert!(!timeout.timed_out(), "\"{line}\" was never written; there is {lines:?}");
    }
}

/// A job that writes down its name and attempt, then does what it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub name: String,
    pub then: Then,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Then {
    Succeed,
    Fail,
    FailNow,
    Panic,
    /// Fails in its first so many attempts.
    FailTimes(u32),
    /// Again after so many milliseconds, uncounted, the first time.
    LaterOnce(u64),
    /// Pushes another one to this queue.
    Push(String),
}

impl Act {
    pub fn new(name: &str, then: Then) -> Self {
        Self { name: name.into(), then }
    }
}

impl Queueable for Act {
    const NAME: &'static str = "Act";

    fn handle(&self, job: &Context) -> JobResult {
        let diary = job.state::<Diary>()?;
        let before = diary.lines().iter().filter(|line| line.starts_with(&self.name)).count();
        diary.note(format!("{} {}", self.name, job.attempt()));
        match &self.then {
            Then::Succeed => Ok(()),
            Then::Fail => Err(JobError::new("it does not work")),
            Then::FailNow => Err(JobError::fail_now("it never will")),
            Then::Panic => panic!("it went wrong"),
            Then::FailTimes(times) if job.attempt() <= *times => Err(JobError::new("not yet")),
            Then::LaterOnce(millis) if before == 0 => {
                Err(JobError::again_after(Duration::from_millis(*millis), "not ready"))
            }
            Then::FailTimes(_) | Then::LaterOnce(_) => Ok(()),
            Then::Push(queue) => {
                job.on(queue.as_str()).push(Act::new("pushed", Then::Succeed))?;
                Ok(())
            }
        }
    }

    fn failed(&self, error: &JobError, _: &Context) {
        HOOKS.lock().unwrap().push((self.name.clone(), error.to_string()));
        if self.name == "bad hook" {
            panic!("the hook goes wrong, too");
        }
    }

    fn backoff() -> Option<Backoff> {
        Some(Duration::from_millis(1).into())
    }
}

/// The hook has no context; it writes here.
static HOOKS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// What the hook of a job of this name was told.
pub fn hooks(name: &str) -> Vec<String> {
    let hooks = HOOKS.lock().unwrap();
    hooks.iter().filter(|(job, _)| job == name).map(|(_, error)| error.clone()).collect()
}

/// A configuration on a file of this folder, with times for tests.
pub fn config(folder: &Folder) -> Config {
    let mut config = Config::sqlite(folder.join("jobs.sqlite3"));
    config.database.settings.poll = Duration::from_millis(50);
    config
}

/// A configuration whose jobs lie in the database of this url, with times for tests.
pub fn config_on(url: &str) -> Config {
    let mut config = Config::default();
    config.connections.insert("server".into(), Connection::from_url(url).unwrap());
    config.database.connection = "server".into();
    config.default = "database".into();
    config.database.settings.poll = Duration::from_millis(50);
    config
}

/// A folder for each kind of database, whose `queue.toml` leads to an empty one, and the same as a value.
pub fn on_each_database() -> [(Folder, Config); 3] {
    let on = |config: fn(&Folder) -> (Config, String)| {
        let folder = Folder::new();
        let (config, connection) = config(&folder);
        let text =
            format!("[database]\nconnection = \"server\"\npoll = 0.05\n[connections.server]\n{connection}\n");
        std::fs::write(folder.join("queue.toml"), text).unwrap();
        (folder, config)
    };
    [
        on(|folder| {
            let file = folder.join("jobs.sqlite3");
            (config(folder), format!("driver = \"sqlite\"\ndatabase = {file:?}"))
        }),
        on(|_| {
            let url = Postgres::shared().database();
            (config_on(&url), format!("url = {url:?}"))
        }),
        on(|_| {
            let url = MariaDb::shared().database();
            (config_on(&url), format!("url = {url:?}"))
        }),
    ]
}

/// A database with its tables.
pub fn installed(config: &Config) -> Database {
    let database = Database::of_jobs(config, "server").unwrap();
    database.install().unwrap();
    database
}

/// A queue with its tables, whose jobs write into the diary.
pub fn queue(config: Config) -> (Queue, Diary) {
    let diary = Diary::default();
    let queue = Queue::open(config, Jobs::new().state(diary.clone()).add::<Act>()).unwrap();
    queue.install().unwrap();
    (queue, diary)
}

/// Runs until it may end, and writes down if its hold was lost then. One that is called "dies" fails for good.
#[derive(Serialize, Deserialize)]
pub struct Held(pub String);

impl Queueable for Held {
    const NAME: &'static str = "Held";

    fn handle(&self, job: &Context) -> JobResult {
        let diary = job.state::<Diary>()?;
        diary.note(format!("{} {}", self.0, job.attempt()));
        let may_end = job.state::<Arc<AtomicBool>>()?;
        wait_until("permission to end", || may_end.load(Ordering::SeqCst));
        if job.lost() {
            diary.note(format!("{} lost", self.0));
        }
        match &*self.0 {
            "dies" => Err(JobError::fail_now("it never will")),
            _ => Ok(()),
        }
    }
}

/// A queue of such jobs, what they write down, and what lets them end.
pub fn held_queue(config: Config) -> (Queue, Diary, Arc<AtomicBool>) {
    let (diary, may_end) = (Diary::default(), Arc::new(AtomicBool::new(false)));
    let jobs = Jobs::new().state(diary.clone()).state(may_end.clone()).add::<Held>();
    let queue = Queue::open(config, jobs).unwrap();
    queue.install().unwrap();
    (queue, diary, may_end)
}

/// Works the database driver's default queue off.
pub fn work_off(queue: &Queue) -> craft_queue::Report {
    queue.worker().driver("database").stop_when_empty().run().unwrap()
}

/// Runs SQL as somebody would who has nothing of ours, and answers what it says.
pub type Shell = Box<dyn Fn(&str) -> String>;

/// A configuration for each kind of database, and a shell on that database.
pub fn shells() -> [(Folder, Config, Shell); 3] {
    let folder = Folder::new();
    let (config, file) = (config(&folder), folder.join("jobs.sqlite3"));
    let sqlite = move |sql: &str| {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        let mut said = String::new();
        let mut batch = rusqlite::Batch::new(&connection, sql);
        while let Some(mut statement) =
            rusqlite::fallible_iterator::FallibleIterator::next(&mut batch).unwrap()
        {
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values = (0..columns).map(|at| match row.get_unwrap(at) {
                    rusqlite::types::Value::Text(text) => text,
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    other => format!("{other:?}"),
                });
                said += &values.collect::<Vec<_>>().join("|");
                said.push('\n');
            }
        }
        said
    };
    let (postgres, mariadb) = (Postgres::shared().database(), MariaDb::shared().database());
    let (on_postgres, on_mariadb) = (config_on(&postgres), config_on(&mariadb));
    let psql: Shell = Box::new(move |sql| crate::servers::postgres::query(&postgres, sql).unwrap());
    let client: Shell =
        Box::new(move |sql| crate::servers::mariadb::query(&mariadb, sql).unwrap().replace('\t', "|"));
    [
        (folder, config, Box::new(sqlite)),
        (Folder::new(), on_postgres, psql),
        (Folder::new(), on_mariadb, client),
    ]
}
