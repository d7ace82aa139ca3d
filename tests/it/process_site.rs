//! A place where jobs run in child processes: a folder with a configuration and tables.

use std::path::PathBuf;

use craft_queue::{Config, Queue};

use crate::programs::{Said, craft, run, test_jobs};
use crate::support::Folder;

pub struct Site {
    pub folder: Folder,
    pub queue: Queue,
}

impl Site {
    /// With these lines in `[database]`, and these after it.
    pub fn new(settings: &str, more: &str) -> Self {
        let folder = Folder::new();
        let text = format!(
            "[database]\npoll = 0.02\nattempts = 1\n{settings}\n[connections.sqlite]\ndriver = \"sqlite\"\n\
             database = \"jobs.sqlite3\"\n{more}"
        );
        std::fs::write(folder.join("queue.toml"), text).unwrap();
        let installed = run(craft(&folder, &["queue:install"]));
        assert_eq!(installed.status, 0, "{}", installed.err);
        let queue = Queue::open(Config::sqlite(folder.join("jobs.sqlite3")), Default::default()).unwrap();
        Self { folder, queue }
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
