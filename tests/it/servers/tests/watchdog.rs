//! What happens when the test process is killed: a test runs this very program again and kills it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::super::mariadb::MariaDb;
use super::super::postgres::{Postgres, query};
use super::super::process::{descendants, is_alive};
use super::super::rabbitmq::RabbitMq;
use super::super::{wait_for, wait_until, watchdog};
use super::LIMIT;

const IS_CHILD: &str = "CRAFT_QUEUE_TEST_HOLDS_SERVERS";

#[test]
fn servers_and_folders_go_when_the_test_process_is_killed() {
    let child = format!("{}::holds_shared_servers", module_path!());
    let (_, child) = child.split_once("::").expect("the path begins with the crate");
    let mut child = Command::new(env::current_exe().expect("this program has a path"))
        .args(["--exact", "--nocapture", child])
        .env(IS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");

    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map(|line| line.expect("the child prints text"));
    let folder = lines
        .find_map(|line| line.strip_prefix("holds servers in ").map(PathBuf::from))
        .expect("the child starts its servers");
    let started = running(&folder);
    assert_eq!(started.len(), 5, "three servers, a port mapper and a busy client");
    let mut pids = started.clone();
    pids.extend(started.iter().flat_map(|pid| descendants(*pid)));
    assert!(pids.len() > 10, "servers with their children: {pids:?}");

    child.kill().expect("the child can be killed");
    child.wait().expect("the child can be waited for");
    wait_until("the servers are gone", LIMIT, || pids.iter().all(|pid| !is_alive(*pid)));
    wait_until("the folder is gone", LIMIT, || !folder.exists());
}

fn running(folder: &Path) -> Vec<u32> {
    let names = fs::read_dir(folder.join("running")).expect("the list of what runs");
    names
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_str().and_then(|pid| pid.parse().ok()).expect("a process id"))
        .collect()
}

/// The child process of the test above.
#[test]
fn holds_shared_servers() {
    if env::var_os(IS_CHILD).is_none() {
        return;
    }
    MariaDb::shared();
    RabbitMq::shared();
    // A backend with much to do does not notice that its server is gone.
    let database = Postgres::shared().database();
    let busy = database.clone();
    thread::spawn(move || query(&busy, "SELECT count(*) FROM generate_series(1, 1e12)"));
    wait_for("a backend is busy", LIMIT, || {
        let sql = "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active'";
        let busy = query(&database, sql)?;
        if busy.contains("1e12") { Ok(()) } else { Err(busy) }
    });
    println!("\nholds servers in {}", watchdog::folder().display());
    // Until it is killed, or its parent is gone.
    let _ = stdin().read(&mut [0]);
}
