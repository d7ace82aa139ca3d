//! A program at a terminal of its own.
#![allow(unsafe_code, reason = "system calls that the standard library lacks")]

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use crate::programs::Said;

/// Runs a program whose stdin, stdout and stderr are a terminal, to its end. What it said is all in `out`.
pub fn run_at_a_terminal(mut command: Command) -> Said {
    let (mut keeper, terminal) = open();
    let terminal_again = || Stdio::from(terminal.try_clone().unwrap());
    command.stdin(terminal_again()).stdout(terminal_again()).stderr(terminal_again());
    let mut child = command.spawn().unwrap();
    // Its copies end with the command, and reading ends when the child does.
    drop((command, terminal));
    let mut said = Vec::new();
    // The end of a terminal is an error to its keeper.
    let _ = keeper.read_to_end(&mut said);
    let status = child.wait().unwrap().code().unwrap_or(-1);
    let out = String::from_utf8(said).unwrap().replace("\r\n", "\n");
    Said { status, out, err: String::new() }
}

/// Neither end is inherited by what other tests start meanwhile.
fn open() -> (File, File) {
    let both = || File::options().read(true).write(true).clone();
    let keeper = both().open("/dev/ptmx").unwrap();
    let mut name = [0; 64];
    // SAFETY: the descriptor is open, and the name ends within the given length.
    let opened = unsafe {
        libc::grantpt(keeper.as_raw_fd())
            + libc::unlockpt(keeper.as_raw_fd())
            + libc::ptsname_r(keeper.as_raw_fd(), name.as_mut_ptr().cast(), name.len())
    };
    assert_eq!(opened, 0, "no terminal to be had: {}", std::io::Error::last_os_error());
    let name = CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap();
    (keeper, both().custom_flags(libc::O_NOCTTY).open(name).unwrap())
}
