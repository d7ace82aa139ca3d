//! Real programs: the binary `craft`, and one with jobs that misbehave.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{Folder, PATIENCE};

/// The stock binary, in a folder, with nothing of this machine's configuration.
pub fn craft(folder: &Folder, arguments: &[&str]) -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_craft")), folder, arguments)
}

/// The program with jobs that misbehave (`tests/programs/jobs.rs`).
pub fn test_jobs(folder: &Folder, arguments: &[&str]) -> Command {
    program(&example("test_jobs"), folder, arguments)
}

/// An example; cargo builds them before it builds the tests.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

pub fn program(path: &Path, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).current_dir(folder.path()).env_clear();
    // A panic in a job is expected here; its backtrace would only slow the test down.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What a finished program said.
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

pub fn run(mut command: Command) -> Said {
    said(command.stdin(Stdio::null()).output().unwrap())
}

pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the stock binary to its end.
pub fn say(folder: &Folder, arguments: &[&str]) -> Said {
    run(craft(folder, arguments))
}

/// Runs a command that must succeed, and gives what it printed.
pub fn out(folder: &Folder, arguments: &[&str]) -> String {
    let said = say(folder, arguments);
    assert_eq!((said.status, &*said.err), (0, ""), "{arguments:?} printed {}", said.out);
    said.out
}

/// The same for one that prints JSON.
pub fn json(folder: &Folder, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&out(folder, arguments)).unwrap()
}

/// A worker that runs, killed when the test is over.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    read: RefCell<Vec<String>>,
}

impl Running {
    pub fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::inherit())
    }

    /// With its stderr there.
    pub fn start_with(mut command: Command, err: impl Into<Stdio>) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines, read: RefCell::default() }
    }

    /// Waits until it says a line with these words.
    pub fn wait_for(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("never \"{words}\" ({error}), only {:#?}", self.read.borrow())
            });
            self.read.borrow_mut().push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// What it has said; once it has ended, all of it.
    pub fn said(&self) -> Vec<String> {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(100)) {
            self.read.borrow_mut().push(line);
        }
        self.read.borrow().clone()
    }

    /// The processor time that it has used, of all its threads.
    pub fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        // Linux counts in hundredths of a second, whatever its own clock does.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "cannot send {name}");
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; the status, and the number of the signal that ended it.
    pub fn wait(mut self) -> (Option<i32>, Option<i32>) {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.wait().unwrap();
        (status.code(), status.signal())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One run of a job, as its ledger has it.
#[derive(Clone, Debug)]
pub struct Run {
    pub attempt: u32,
    pub process: u32,
    pub begin: u128,
    /// `None` when it never ended.
    pub end: Option<u128>,
}

/// The runs that a ledger tells of, by job.
pub fn ledger(file: &Path) -> BTreeMap<u64, Vec<Run>> {
    let mut runs: BTreeMap<u64, Vec<Run>> = BTreeMap::new();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // A read may meet a line that is just being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number: u64 = words[1].parse().unwrap();
        let (attempt, process) = (words[2].parse().unwrap(), words[3].parse().unwrap());
        let at = words[4].parse().unwrap();
        let of_job = runs.entry(number).or_default();
        match words[0] {
            "begin" => of_job.push(Run { attempt, process, begin: at, end: None }),
            _ => {
                let run = of_job.iter_mut().rev().find(|run| run.process == process && run.end.is_none());
                run.unwrap_or_else(|| panic!("an end without a beginning: {line}")).end = Some(at);
            }
        }
    }
    runs
}

/// No two runs of one job overlap. A run that never ended was killed; what killed it came before the next
/// run's beginning, as the next one could only take the job after that.
pub fn assert_no_overlap(runs: &BTreeMap<u64, Vec<Run>>) {
    for of_job in runs.values() {
        for pair in of_job.windows(2) {
            let end = pair[0].end.unwrap_or(pair[0].begin);
            assert!(end <= pair[1].begin, "two runs of one job at once: {pair:#?}");
        }
    }
}
