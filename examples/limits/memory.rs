//! The async driver in threads: a channel of closures, and threads that call them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam::channel::bounded;

use crate::{Figure, Result};

type Job = Box<dyn FnOnce() + Send>;

pub fn measure() -> Result<()> {
    for threads in [1, 10] {
        let jobs = 2_000_000;
        let ran = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = bounded::<Job>(1_024);
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            for _ in 0..threads {
                let receiver = receiver.clone();
                scope.spawn(move || receiver.into_iter().for_each(|job| job()));
            }
            for _ in 0..jobs {
                let ran = ran.clone();
                let job: Job = Box::new(move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                sender.send(job).map_err(|_| "no thread is left")?;
            }
            drop(sender);
            Ok(())
        })?;
        if ran.load(Ordering::Relaxed) != jobs {
            return Err("a closure was lost".into());
        }
        Figure { backend: "async", workload: "push_and_run", threads, jobs, start }.tell();
    }
    Ok(())
}
