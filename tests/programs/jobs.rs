//! A program with jobs that misbehave, for tests that kill real processes. It is the command line of
//! `craft`, with these jobs: `cargo run --example test_jobs -- queue:work`.

mod misbehave;
mod pool;
mod shop;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use craft_queue::{Backoff, Context, JobError, JobResult, Jobs, Queueable};
use serde::{Deserialize, Serialize};

use misbehave::{Die, Nothing, Odd};

#[allow(unsafe_code, reason = "system calls that the standard library lacks")]
fn main() -> ExitCode {
    let jobs = || Jobs::new().add::<Ledger>().add::<Die>().add::<Odd>().add::<Nothing>();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // So a test can have children that die at their start, later than the first one.
    if arguments.first().is_some_and(|first| first == "--craft-queue-child")
        && Path::new("no-children").exists()
    {
        std::process::exit(9);
    }
    if std::env::var_os("SIGPIPE_DEFAULT").is_some() {
        // SAFETY: the default action runs no code of this process. Rust ignores the signal; C does not.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    match arguments.first().map(String::as_str) {
        Some("pool:deaths") => pool::deaths(jobs().serve_if_child()),
        Some("pool:begins") => pool::begins(jobs().serve_if_child()),
        Some("pool:ends") => pool::ends(jobs().serve_if_child()),
        _ if std::env::var_os("SHOP").is_some() => return shop::app(jobs()).run(),
        _ => return craft_queue::main(jobs()),
    }
    ExitCode::SUCCESS
}

/// Writes a line when it begins and one when it ends, each in one write, into a file that no fault of
/// the test can reach: `begin|end <number> <attempt> <process> <nanoseconds>`.
#[derive(Serialize, Deserialize)]
struct Ledger {
    file: PathBuf,
    number: u64,
    /// How long it runs.
    #[serde(default)]
    millis: u64,
    /// It waits until this file is there.
    #[serde(default)]
    until: Option<PathBuf>,
    /// It fails in its first so many attempts.
    #[serde(default)]
    fails: u32,
}

impl Ledger {
    fn note(&self, what: &str, job: &Context) -> std::io::Result<()> {
        let mut now = libc_time();
        now.push('\n');
        let line = format!("{what} {} {} {} {now}", self.number, job.attempt(), std::process::id());
        std::fs::OpenOptions::new().append(true).create(true).open(&self.file)?.write_all(line.as_bytes())
    }
}

/// Nanoseconds of a clock that all processes share.
fn libc_time() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

impl Queueable for Ledger {
    const NAME: &'static str = "Ledger";

    fn handle(&self, job: &Context) -> JobResult {
        self.note("begin", job)?;
        let end = Instant::now() + Duration::from_millis(self.millis);
        while Instant::now() < end || self.until.as_ref().is_some_and(|file| !file.exists()) {
            std::thread::sleep(
                Duration::from_millis(1)
                    .min(end.saturating_duration_since(Instant::now()))
                    .max(Duration::from_micros(100)),
            );
        }
        self.note("end", job)?;
        if job.attempt() <= self.fails {
            return Err(JobError::new("as it was told"));
        }
        Ok(())
    }

    fn backoff() -> Option<Backoff> {
        Some(Duration::from_millis(10).into())
    }
}
