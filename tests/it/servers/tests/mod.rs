//! The servers are tested like everything else: started, asked, killed, and nothing left behind.

mod ground;
mod mariadb;
mod network;
mod postgres;
mod rabbitmq;
mod watchdog;

use std::path::Path;
use std::time::Duration;

use super::process::{descendants, is_alive};

const LIMIT: Duration = Duration::from_secs(60);

/// Drops a server and makes sure that nothing is left of it.
fn leaves_nothing<Server>(server: Server, pid: Option<u32>, folder: &Path) {
    let folder = folder.to_path_buf();
    let pid = pid.expect("the server runs");
    let mut family = descendants(pid);
    family.push(pid);
    assert!(is_alive(pid) && folder.exists());
    drop(server);
    family.retain(|pid| is_alive(*pid));
    assert_eq!(family, [0_u32; 0], "processes that are left");
    assert!(!folder.exists(), "the folder is left");
}
