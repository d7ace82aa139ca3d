//! Where the programs are, and as whom they run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Debian keeps PostgreSQL's and RabbitMQ's own programs here; what it puts into `PATH` are
/// wrappers that pick a cluster by its own rules, or refuse the user. `*` is a version.
const DEBIAN: [&str; 4] = ["/usr/lib/postgresql/*/bin", "/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/bin"];

/// The path of a program. Panics with the way to install it when it is nowhere: a test without its
/// server has to fail, not to pass.
pub fn find(program: &str, package: &str) -> PathBuf {
    installed(program).unwrap_or_else(|| {
        panic!(
            "cannot find the program `{program}`, which this test needs; install it with \
             `apt-get install -y {package}`, or put its folder into PATH"
        )
    })
}

/// The path of a program, where it is installed.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    DEBIAN
        .iter()
        .flat_map(|folder| versions(folder))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The folders that a pattern with one `*` stands for, the newest version first.
fn versions(pattern: &str) -> Vec<PathBuf> {
    let Some((parent, below)) = pattern.split_once("/*/") else {
        return vec![PathBuf::from(pattern)];
    };
    let mut found: Vec<u32> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.iter().map(|version| PathBuf::from(format!("{parent}/{version}/{below}"))).collect()
}

/// As whom a program runs. Servers refuse to run as root, or should not, and tests often do.
#[derive(Clone)]
pub enum User {
    /// As the tests themselves.
    Own,
    /// As a system user that the server's package has made; only root can.
    System { name: String, uid: u32, gid: u32 },
}

impl User {
    /// The server's own system user when the tests run as root, else the user of the tests.
    pub fn of_server(name: &str, package: &str) -> User {
        if !is_root() {
            return User::Own;
        }
        let users = fs::read_to_string("/etc/passwd")
            .unwrap_or_else(|error| panic!("cannot read `/etc/passwd`: {error}"));
        for line in users.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [user, _, uid, gid, ..] = fields[..]
                && user == name
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                let name = name.to_string();
                return User::System { name, uid, gid };
            }
        }
        panic!(
            "cannot run a server as the user `{name}`, which this test needs because it runs as \
             root: there is no such user; `apt-get install -y {package}` makes it"
        );
    }

    /// What to write before a command so that it runs as this user.
    pub fn prefix(&self) -> Vec<OsString> {
        match self {
            User::Own => Vec::new(),
            User::System { name, gid, .. } => vec![
                find("setpriv", "util-linux").into(),
                format!("--reuid={name}").into(),
                format!("--regid={gid}").into(),
                "--init-groups".into(),
            ],
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap_or_else(|error| panic!("cannot look at `/proc/self`: {error}")).uid()
        == 0
}
