//! Jobs that do to their process what no job should.
#![allow(unsafe_code, reason = "system calls that the standard library lacks")]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use craft_queue::{Backoff, Context, JobError, JobResult, Queueable};
use serde::{Deserialize, Serialize};

/// Kills its worker, or child process.
#[derive(Serialize, Deserialize)]
pub enum Die {
    Abort,
    Exit(i32),
    Overflow,
    Segfault,
    /// Allocates without end.
    Eat,
    /// Aborts in its odd runs, which this file counts, and asks to run later in the even ones.
    InOddRuns(PathBuf),
}

impl Queueable for Die {
    const NAME: &'static str = "Die";

    fn handle(&self, _: &Context) -> JobResult {
        match self {
            Self::Abort => std::process::abort(),
            Self::Exit(status) => std::process::exit(*status),
            Self::Overflow => {
                std::hint::black_box(overflow(0));
            }
            // SAFETY: none; that is the point.
            Self::Segfault => unsafe { std::hint::black_box(std::ptr::null_mut::<u8>()).write_volatile(1) },
            Self::InOddRuns(file) => {
                let runs = std::fs::read(file).unwrap_or_default().len();
                std::fs::write(file, vec![b'.'; runs + 1])?;
                if runs.is_multiple_of(2) {
                    std::process::abort();
                }
                return Err(JobError::again_after(Duration::ZERO, "not yet"));
            }
            Self::Eat => {
                let mut eaten = Vec::new();
                loop {
                    eaten.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                }
            }
        }
        Ok(())
    }

    fn backoff() -> Option<Backoff> {
        Some(Duration::from_millis(10).into())
    }
}

/// Each call keeps a large array alive, so it can't become a loop.
#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    let block = std::hint::black_box([depth; 1_024]);
    overflow(depth + 1) + block[0]
}

/// Does what its process outlives.
#[derive(Serialize, Deserialize)]
pub enum Odd {
    /// Never returns.
    Loop,
    /// Nor does it end when it is asked to.
    IgnoreTerm,
    /// So many bytes to stdout, and as many to stderr.
    Print(usize),
    /// And stdin, and stderr.
    CloseStdout,
    /// Starts a program that runs on, and writes the number of its process into this file.
    LeaveGrandchild(PathBuf),
    /// As that, and never returns.
    LoopWithGrandchild(PathBuf),
    /// As that, and the program leaves the group.
    LoopWithDaemon(PathBuf),
    /// Writes these bytes to its worker, where only messages belong, and never returns.
    WriteToWorker(Vec<u8>),
    /// Wants to be told something by whoever sits at the terminal.
    ReadTerminal,
    /// Ends its child from its hook.
    DieInHook,
    /// Fails now, and pushes a `Ledger` from its hook.
    PushInHook(PathBuf),
    /// Pushes a `Ledger`, and writes down what that was answered.
    Push { ledger: PathBuf, answer: PathBuf },
    /// Waits for this file, then writes down whether its hold was lost meanwhile.
    Lost { gate: PathBuf, answer: PathBuf },
    /// Writes down what it inherited: variables with CRAFT in their name, and descriptors.
    Look { answer: PathBuf },
}

impl Queueable for Odd {
    const NAME: &'static str = "Odd";

    fn handle(&self, job: &Context) -> JobResult {
        match self {
            Self::Loop => for_ever(),
            Self::IgnoreTerm => {
                // SAFETY: to ignore a signal touches no memory.
                unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
                for_ever()
            }
            Self::Print(bytes) => {
                let line = [b'x'; 1_023];
                for _ in 0..bytes / 1_024 {
                    for out in [&mut std::io::stdout() as &mut dyn Write, &mut std::io::stderr()] {
                        out.write_all(&line)?;
                        out.write_all(b"\n")?;
                    }
                }
                Ok(())
            }
            Self::CloseStdout => {
                for descriptor in 0..3 {
                    // SAFETY: the standard library allows for these to be closed.
                    unsafe { libc::close(descriptor) };
                }
                Ok(())
            }
            Self::LeaveGrandchild(file) => leave_grandchild(file),
            Self::LoopWithGrandchild(file) => {
                leave_grandchild(file)?;
                for_ever()
            }
            Self::LoopWithDaemon(file) => {
                let daemon = Command::new("setsid").args(["sleep", "1000"]).spawn()?;
                std::fs::write(file, daemon.id().to_string())?;
                for_ever()
            }
            Self::WriteToWorker(bytes) => {
                let line: i32 = std::env::args().nth(2).ok_or("not in a child process")?.parse()?;
                // SAFETY: the pointer and the length are of one vector, which is only read.
                unsafe { libc::write(line, bytes.as_ptr().cast(), bytes.len()) };
                for_ever()
            }
            Self::ReadTerminal => {
                std::fs::File::open("/dev/tty")?.read_exact(&mut [0])?;
                Ok(())
            }
            Self::DieInHook | Self::PushInHook(_) => Err(JobError::fail_now("so that the hook is called")),
            Self::Push { ledger, answer } => {
                let payload = format!("{{\"file\":{ledger:?},\"number\":7}}");
                let pushed = job.on("pushed").unique("one").push_json("Ledger", &payload, 1)?;
                let refused = job.options().driver("nowhere").push_json("Ledger", &payload, 1);
                let refused = refused.err().map(|error| (error.is_config(), error.to_string()));
                std::fs::write(answer, format!("{pushed:?} {refused:?}"))?;
                Ok(())
            }
            Self::Lost { gate, answer } => {
                let before = job.lost();
                while !gate.exists() && !job.lost() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::fs::write(answer, format!("{before} {}", job.lost()))?;
                Ok(())
            }
            Self::Look { answer } => {
                let mut seen = String::new();
                for (name, value) in std::env::vars().filter(|(name, _)| name.contains("CRAFT")) {
                    seen += &format!("{name}={value}\n");
                }
                for entry in std::fs::read_dir("/proc/self/fd")? {
                    let entry = entry?;
                    if let Ok(to) = std::fs::read_link(entry.path()) {
                        seen += &format!("{} {}\n", entry.file_name().to_string_lossy(), to.display());
                    }
                }
                std::fs::write(answer, seen)?;
                Ok(())
            }
        }
    }

    fn failed(&self, error: &JobError, job: &Context) {
        match self {
            Self::DieInHook => std::process::abort(),
            Self::PushInHook(file) => {
                let payload = format!("{{\"file\":{file:?},\"number\":{}}}", job.attempt());
                job.on(error.message()).push_json("Ledger", &payload, 1).unwrap();
            }
            _ => {}
        }
    }
}

fn for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn leave_grandchild(file: &std::path::Path) -> JobResult {
    // It holds neither our stdout nor anything else that somebody might wait for.
    let grandchild = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, grandchild.id().to_string())?;
    std::fs::rename(unfinished, file)?;
    Ok(())
}

/// Does nothing, quickly.
#[derive(Serialize, Deserialize)]
pub struct Nothing;

impl Queueable for Nothing {
    const NAME: &'static str = "Nothing";

    fn handle(&self, _: &Context) -> JobResult {
        Ok(())
    }
}
