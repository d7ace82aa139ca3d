//! Wakes a thread that waits for descriptors.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Waker {
    sender: UnixStream,
    receiver: UnixStream,
    /// Only a thread that sleeps, or is about to, costs a system call.
    asleep: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok(Self { sender, receiver, asleep: AtomicBool::new(false) })
    }

    pub(super) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // A full socket wakes the thread as well.
            let _ = (&self.sender).write(&[0]);
        }
    }

    /// The thread is about to sleep. What was sent before this it must look for itself.
    pub(super) fn set(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// The thread is awake.
    pub(super) fn unset(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        while (&self.receiver).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    }

    /// What to wait for.
    pub(super) fn descriptor(&self) -> &UnixStream {
        &self.receiver
    }
}
