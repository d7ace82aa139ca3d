//! The back ends that are compared, each on a private server with the durability it comes with.

use std::process::Command;

use crate::programs::{craft, example};
use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::servers::rabbitmq::{self, RabbitMq};
use crate::support::Folder;

pub struct BackEnd {
    /// As `limits` calls it.
    pub name: &'static str,
    /// As people do.
    pub title: &'static str,
    /// How many jobs a workload of a few seconds moves.
    pub jobs: u64,
    /// What `queue:bench` is told beyond that.
    pub arguments: &'static [&'static str],
    start: fn() -> (Site, String),
}

/// A back end that runs: a folder with its queue.toml.
pub struct Site {
    pub folder: Folder,
    url: (&'static str, String),
    /// Has the server, for as long as it is measured.
    statements: Box<dyn Fn() -> Option<f64>>,
}

impl BackEnd {
    pub fn all() -> Vec<Self> {
        let back_end = |name, title, jobs, arguments, start| Self { name, title, jobs, arguments, start };
        let backlog: &[&str] = &["--backlog", "480000", "--pickups", "20"];
        let quick_poll: &[&str] = &["--backlog", "480000", "--pickups", "20", "--poll", "0.005"];
        vec![
            back_end("sqlite", "SQLite", 100_000, backlog, || sqlite("full")),
            back_end("sqlite-normal", "SQLite, `normal`", 100_000, &["--pickups", "0"], || sqlite("normal")),
            back_end("postgres", "PostgreSQL", 60_000, quick_poll, postgres),
            back_end("mysql", "MariaDB", 50_000, quick_poll, mysql),
            back_end("amqp", "RabbitMQ", 50_000, &[], amqp),
            back_end("async", "async, threads", 2_000_000, &[], || memory("threading")),
            back_end("async-processes", "async, processes", 500_000, &[], || memory("multiprocess")),
        ]
    }

    pub fn start(&self) -> Site {
        let (site, config) = (self.start)();
        std::fs::write(site.folder.join("queue.toml"), config).unwrap();
        site
    }

    pub fn bench(&self, site: &Site, jobs: u64) -> Command {
        let mut command = site.craft(&["queue:bench", "--json", "--jobs", &jobs.to_string()]);
        command.args(self.arguments);
        command
    }

    pub fn limits(&self, site: &Site) -> Command {
        let mut command = Command::new(example("limits"));
        command.arg(self.name).env(site.url.0, &site.url.1);
        command
    }
}

impl Site {
    fn new(variable: &'static str, url: String, statements: impl Fn() -> Option<f64> + 'static) -> Self {
        Self { folder: Folder::new(), url: (variable, url), statements: Box::new(statements) }
    }

    pub fn craft(&self, arguments: &[&str]) -> Command {
        craft(&self.folder, arguments)
    }

    /// How many statements the server has run so far; `None` where none are run, or nobody counts them.
    pub fn statements(&self) -> Option<f64> {
        (self.statements)()
    }
}

fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

fn sqlite(durability: &str) -> (Site, String) {
    let config = format!(
        "[database]\ndurability = \"{durability}\"\n[connections.sqlite]\ndriver = \"sqlite\"\ndatabase = \"jobs.sqlite3\"\n"
    );
    (Site::new("DATABASE_URL", String::new(), || None), config)
}

fn postgres() -> (Site, String) {
    let server = Postgres::start(postgres::Options::default());
    let url = server.database();
    let config = format!("[database]\nconnection = \"server\"\n[connections.server]\nurl = \"{url}\"\n");
    let sql = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database";
    (Site::new("DATABASE_URL", url, move || Some(number(&server.psql(sql)))), config)
}

fn mysql() -> (Site, String) {
    let server = MariaDb::start(mariadb::Options::default());
    let url = server.database();
    let config = format!("[database]\nconnection = \"server\"\n[connections.server]\nurl = \"{url}\"\n");
    let statements = move || {
        let counted = server.sql("SHOW GLOBAL STATUS LIKE 'Questions'");
        Some(number(counted.trim_start_matches("Questions")))
    };
    (Site::new("DATABASE_URL", url, statements), config)
}

fn amqp() -> (Site, String) {
    let server = RabbitMq::start(rabbitmq::Options::default());
    let (port, url) = (server.port(), server.url());
    let config = format!("default = \"amqp\"\n[amqp]\nport = {port}\n");
    let statements = move || {
        // It pushes: nobody asks it anything.
        let _ = &server;
        None
    };
    (Site::new("AMQP_URL", url, statements), config)
}

fn memory(mode: &str) -> (Site, String) {
    let workers = if mode == "threading" { 10 } else { 2 };
    let config = format!("default = \"async\"\n[async]\nmode = \"{mode}\"\nworkers = {workers}\n");
    (Site::new("DATABASE_URL", String::new(), || None), config)
}
