//! Waiting, programs, ports, processes.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::folder::Folder;
use super::super::port::Port;
use super::super::process::{Process, command, run};
use super::super::programs::{User, find};
use super::super::{wait_until, watchdog};

fn panic_text(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it must panic");
    *panic.downcast::<String>().expect("a panic with a text")
}

#[test]
fn waiting_in_vain_says_for_what() {
    let text = panic_text(|| wait_until("pigs fly", Duration::from_millis(1), || false));
    assert_eq!(text, "waited 1ms in vain until pigs fly: it does not hold yet");
}

#[test]
fn a_missing_program_says_how_to_install_it() {
    let text = panic_text(|| drop(find("no-such-server", "the-package")));
    assert!(text.contains("`no-such-server`"), "{text}");
    assert!(text.contains("`apt-get install -y the-package`"), "{text}");
}

#[test]
fn a_claimed_port_is_free_and_given_once() {
    let ports: Vec<Port> = (0..50).map(|_| Port::claim()).collect();
    let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
    for number in &numbers {
        TcpListener::bind(("127.0.0.1", *number)).expect("a claimed port is free");
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 50);
}

#[test]
fn a_program_gets_its_input_and_returns_output_or_error() {
    let sh = find("sh", "dash");
    let shell = || command(&sh, &User::Own, watchdog::folder());
    // More than a pipe holds, both ways.
    let long = "x".repeat(1_000_000);
    assert_eq!(run(shell().args(["-c", "cat"]), &long), Ok(long));
    let failed = run(shell().args(["-c", "echo no >&2; exit 3"]), "");
    assert_eq!(failed, Err("exit status: 3: no ".to_string()));
}

#[test]
fn a_server_that_ends_at_once_shows_its_log() {
    let folder = Folder::new("broken", &User::Own);
    let mut shell = command(&find("sh", "dash"), &User::Own, folder.path());
    shell.args(["-c", "echo the disk is full; exit 1"]);
    let mut process = Process::start("the broken server", &mut shell, folder.join("log"));
    let text = panic_text(|| process.wait_until_ready(|| Err("silence".to_string())));
    assert!(text.contains("ended with exit status: 1"), "{text}");
    assert!(text.contains("the disk is full"), "{text}");
}

#[test]
fn a_folder_goes_when_it_is_dropped() {
    let folder = Folder::new("folder", &User::Own);
    let file = folder.write("file", "text");
    assert!(file.exists());
    drop(folder);
    assert!(!file.exists());
}
