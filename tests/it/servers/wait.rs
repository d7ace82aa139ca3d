//! Waiting for a condition: the only sleep of a test that waits for somebody else.

use std::thread;
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(10);

/// Waits until `condition` holds. Panics with `what` when it does not within `limit`, which may be
/// generous: a limit costs nothing when all is well.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || if condition() { Ok(()) } else { Err("it does not hold yet".to_string()) });
}

/// Waits until `attempt` succeeds and returns what it brought. Panics with `what` and the reason of
/// the last failure when it does not within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(reason) if start.elapsed() > limit => {
                panic!("waited {limit:?} in vain until {what}: {reason}")
            }
            Err(_) => thread::sleep(NAP),
        }
    }
}
