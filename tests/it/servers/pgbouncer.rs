//! A private pgbouncer.

use super::folder::Folder;
use super::port::Port;
use super::postgres::{self, Postgres};
use super::process::{Process, command};
use super::programs::{User, find};

/// A pgbouncer before a server; ended with the test.
pub struct Pool {
    pub url: String,
    _process: Process,
    _folder: Folder,
    _port: Port,
}

/// One with this `pool_mode`.
pub fn pool(server: &Postgres, mode: &str) -> Pool {
    let user = User::of_server("postgres", "postgresql");
    let (folder, port) = (Folder::new("pgbouncer", &user), Port::claim());
    let (number, behind) = (port.number(), server.port());
    let settings = format!(
        "[databases]\n* = host=127.0.0.1 port={behind} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {number}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
    );
    let file = folder.write("pgbouncer.ini", &settings);
    let mut program = command(&find("pgbouncer", "pgbouncer"), &user, folder.path());
    program.arg(file);
    let mut process = Process::start("pgbouncer", &mut program, folder.join("pgbouncer.log"));
    let url = format!("postgres://postgres@127.0.0.1:{number}/postgres");
    process.wait_until_ready(|| postgres::query(&url, "SELECT 1").map(drop));
    Pool { url, _process: process, _folder: folder, _port: port }
}
