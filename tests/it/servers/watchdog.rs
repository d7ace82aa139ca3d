//! Nothing outlives the test process, however that ends: with its last test, by `exit`, by a panic,
//! by `kill -9`.
//!
//! Rust drops no statics and a killed process runs no code, so a tiny shell stays beside it. It
//! reads a pipe on which nobody ever writes; the pipe ends with the test process. Then the shell
//! kills what is listed in `running/` and removes the folder.
//!
//! A process puts its own id into `running/` before it becomes the server (`process::command`), and
//! the shell takes the list away by renaming it: there is no moment at which a server could start
//! unseen. An id leaves the list when its process has been waited for, so none was used again.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::OnceLock;

/// A PostgreSQL server is stopped before it is killed, so that it makes no child behind the back of
/// the one who asks for them; each of those has a process group of its own and, when it is busy,
/// would end only long after its server. The folder is removed until it is gone: what dies may
/// still have been writing.
const WATCH: &str = r#"
trap '' HUP INT TERM
read -r nothing
mv "$0/running" "$0/ended" || exit
for pid in $(ls "$0/ended"); do
    kill -s STOP -- "$pid"
    kill -s KILL -- $(cat /proc/"$pid"/task/*/children) "-$pid"
done
tries=0
until rm -rf "$0" || [ $((tries += 1)) -gt 300 ]; do sleep 0.1; done
"#;

static WATCHED: OnceLock<Watched> = OnceLock::new();

struct Watched {
    folder: PathBuf,
    /// Holds the writing end of the pipe.
    _watchdog: Child,
}

/// The folder of this test process. It goes when the process does.
pub fn folder() -> &'static Path {
    &WATCHED.get_or_init(watch).folder
}

/// Where each running program has a file whose name is its process id.
pub fn running() -> PathBuf {
    folder().join("running")
}

fn watch() -> Watched {
    let folder = new_folder();
    let running = folder.join("running");
    fs::create_dir(&running).unwrap_or_else(|error| panic!("cannot create `{}`: {error}", running.display()));
    let watchdog = Command::new("sh")
        .args(["-c", WATCH])
        .arg(&folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C, and a test runner that kills its process group, must not reach it.
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start the watchdog of the test servers: {error}"));
    Watched { folder, _watchdog: watchdog }
}

fn new_folder() -> PathBuf {
    for number in 0.. {
        let name = format!("craft-queue-test-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        match fs::create_dir(&folder) {
            // What an earlier process of the same id left behind belongs to its watchdog.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => panic!("cannot create `{}`: {error}", folder.display()),
            Ok(()) => {}
        }
        // The servers' users have to get through, whatever the umask is.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .unwrap_or_else(|error| panic!("cannot open up `{}`: {error}", folder.display()));
        return folder;
    }
    unreachable!("the numbers do not end")
}
