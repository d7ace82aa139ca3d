//! Programs that are run, and servers that run until they are stopped, killed or dropped.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::programs::User;
use super::wait::{wait_for, wait_until};
use super::watchdog;

/// For a start, a stop, a death. Generous: the machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// The program puts its id where the watchdog looks and only then becomes what it shall be.
const SIGN_IN: &str = r#": > "$0/$$" && exec "$@""#;

/// A command that runs as `user` in `folder`, watched, with a clean environment: a `PGHOST` or an
/// `ERL_FLAGS` of the person at the keyboard must not lead it to another server.
pub fn command(program: &Path, user: &User, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", SIGN_IN])
        .arg(watchdog::running())
        .args(user.prefix())
        .arg(program)
        .current_dir(folder)
        .env_clear()
        .env("PATH", search_path())
        .env("HOME", folder)
        // A MariaDB server that starts removes the temporary tables of all others in its folder.
        .env("TMPDIR", folder)
        .env("LC_ALL", "C.UTF-8")
        // So that one signal reaches it with its children, and Ctrl-C only the tests.
        .process_group(0);
    command
}

fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// Runs a command to its end, with `input` on its stdin. Returns what it printed, without the last
/// line ends; an error is what it printed to stderr.
pub fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let pid = child.id();
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // On a thread of its own: a program that prints while it reads would block both sides.
        // When it does not read to the end, that is its own affair.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    });
    sign_out(pid);
    let output = output.map_err(|error| format!("cannot wait for {command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Err(format!("{}: {stderr} {stdout}", output.status))
    }
}

/// A server that runs.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, with everything it prints in `log`.
    pub fn start(name: &'static str, command: &mut Command, log: PathBuf) -> Process {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) =
            file.unwrap_or_else(|error| panic!("cannot write `{}`: {error}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} with {command:?}: {error}"));
        Process { name, child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` succeeds. Panics with the end of the log when it does not in time, or
    /// when the server ends instead.
    pub fn wait_until_ready(&mut self, mut ready: impl FnMut() -> Result<(), String>) {
        let name = self.name;
        let start = Instant::now();
        wait_for(&format!("{name} is ready"), LIMIT, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{name} ended with {status} instead of starting; {}", self.log_end());
            }
            ready().map_err(|reason| match start.elapsed() < LIMIT {
                true => reason,
                false => format!("{reason}; {}", self.log_end()),
            })
        });
    }

    /// Asks it to stop with the signal that it takes for a request, and waits until it has.
    pub fn stop(mut self, request: &str) {
        signal(request, [self.id().to_string()]);
        wait_until(&format!("{} has stopped after SIG{request}", self.name), LIMIT, || {
            matches!(self.child.try_wait(), Ok(Some(_)))
        });
    }

    /// `kill -9` of it and of all its children, as when the machine goes down. Waits until they
    /// are gone.
    pub fn kill(mut self) {
        let name = self.name;
        wait_until(&format!("{name} is gone after SIGKILL"), LIMIT, self.murder());
    }

    /// Returns the question whether all are gone.
    fn murder(&mut self) -> impl FnMut() -> bool + use<> {
        let pid = self.child.id();
        let mut family = Vec::new();
        if matches!(self.child.try_wait(), Ok(None)) {
            // Stopped first, so that it makes no child between the counting and the killing.
            signal("STOP", [pid.to_string()]);
            family = descendants(pid);
            signal("KILL", family.iter().map(u32::to_string).chain([format!("-{pid}")]));
            let _ = self.child.wait();
        }
        sign_out(pid);
        move || family.iter().all(|pid| !is_alive(*pid))
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("the end of its log:\n{end}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // No panic here, it would hide the one that may be under way.
        let mut all_gone = self.murder();
        let start = Instant::now();
        while !all_gone() && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a process runs. One that is dead and waits for its parent's attention does not.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|s| s.starts_with(['Z', 'X'])))
}

/// The children of a process, their children, and so on.
pub fn descendants(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

/// By the shell's own `kill`: the standard library can send only SIGKILL. That a process is gone
/// already is no error.
pub fn signal(name: &str, pids: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "$@""#, name])
        .args(pids)
        .stderr(Stdio::null())
        .status();
}

fn sign_out(pid: u32) {
    let _ = fs::remove_file(watchdog::running().join(pid.to_string()));
}
