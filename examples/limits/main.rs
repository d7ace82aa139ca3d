//! What the bare clients can do on this machine: the least work that any queue on them must do.
//!
//! `cargo run --release --all-features --example limits -- sqlite|sqlite-normal|postgres|mysql|amqp|async|async-processes|programs`
//!
//! Prints one JSON object a line, with the keys of `craft queue:bench --json`, so that each figure of the
//! bench has its limit beside it. Servers are found by `DATABASE_URL` and `AMQP_URL`; everything lies in tables
//! and queues named `craft_limits`, which are made anew and removed.

mod amqp;
mod memory;
mod mysql;
mod postgres;
mod processes;
mod sqlite;

use std::error::Error;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// As many bytes as the jobs of the bench have.
const PAYLOAD: &str =
    r#"{"number":123456,"padding":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;

/// Rows or messages a call, where many are pushed.
const A_CALL: usize = 1_000;

/// Jobs a take, where many are taken.
const A_TAKE: usize = 100;

fn main() -> Result<()> {
    let known = "sqlite, sqlite-normal, postgres, mysql, amqp, async, async-processes, programs";
    let backend = std::env::args().nth(1).ok_or_else(|| format!("say what to measure: {known}"))?;
    match &*backend {
        "sqlite" => sqlite::measure("sqlite", "FULL"),
        "sqlite-normal" => sqlite::measure("sqlite-normal", "NORMAL"),
        "postgres" => postgres::measure(&url("DATABASE_URL")?),
        "mysql" => mysql::measure(&url("DATABASE_URL")?),
        "amqp" => amqp::measure(&url("AMQP_URL")?),
        "async" => memory::measure(),
        "async-processes" => processes::measure(),
        processes::ECHO => processes::echo(),
        "programs" => processes::spawn(),
        other => Err(format!("cannot measure \"{other}\", only {known}").into()),
    }
}

fn url(variable: &str) -> Result<String> {
    std::env::var(variable).map_err(|_| format!("set {variable} to a server's URL").into())
}

/// One figure, measured from `start` until now.
struct Figure<'a> {
    backend: &'a str,
    workload: &'a str,
    threads: usize,
    jobs: usize,
    start: Instant,
}

impl Figure<'_> {
    fn tell(self) -> f64 {
        let per_second = self.jobs as f64 / self.start.elapsed().as_secs_f64();
        let Self { backend, workload, threads, jobs, .. } = self;
        println!(
            r#"{{"backend":"{backend}","workload":"{workload}","threads":{threads},"jobs":{jobs},"per_second":{per_second:.1}}}"#
        );
        per_second
    }
}

/// Has `threads` threads, each with a connection of its own, do steps until there is nothing left; a step
/// answers how many jobs it moved.
fn drain<C>(
    (backend, threads, jobs): (&str, usize, usize),
    connect: impl Fn() -> Result<C> + Sync,
    step: impl Fn(&mut C) -> Result<usize> + Sync,
) -> Result<()> {
    let ready = std::sync::Barrier::new(threads + 1);
    let (moved, start) = std::thread::scope(|scope| {
        let work = || -> Result<usize> {
            let connection = connect();
            ready.wait();
            let mut connection = connection?;
            let mut moved = 0;
            loop {
                match step(&mut connection)? {
                    0 => return Ok(moved),
                    some => moved += some,
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let start = Instant::now();
        let moved = threads.into_iter().map(|thread| match thread.join() {
            Ok(moved) => moved,
            Err(_) => Err("a thread panicked".into()),
        });
        (moved.sum::<Result<usize>>(), start)
    });
    let moved = moved?;
    if moved != jobs {
        return Err(format!("{moved} jobs were drained of {jobs}").into());
    }
    Figure { backend, workload: "drain", threads, jobs, start }.tell();
    Ok(())
}
