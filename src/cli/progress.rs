//! The progress of long commands on a terminal: one line of stderr that rewrites itself and is erased at the end.
//! Off a terminal there is none.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::escape;

/// The bar, in columns.
const WIDTH: usize = 24;

/// It is not drawn more often than this.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the line is on the terminal now.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Takes the line away, for what is printed next.
pub(super) fn erase() {
    if DRAWN.swap(false, Ordering::SeqCst) {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
}

/// How far a command is.
pub(super) struct Progress {
    what: String,
    done: u64,
    total: Option<u64>,
    shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    /// `what` says what is done: "Pushing Echo". Nothing is shown where `quiet` is set.
    pub(super) fn new(what: &str, total: Option<u64>, quiet: bool) -> Self {
        let mut progress = Self {
            what: escape::line(what).chars().take(40).collect(),
            done: 0,
            total,
            shown: !quiet && std::io::stderr().is_terminal(),
            drawn: None,
        };
        progress.draw();
        progress
    }

    /// So many more are done.
    pub(super) fn add(&mut self, count: u64) {
        self.done += count;
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw();
        }
    }

    fn draw(&mut self) {
        if self.shown {
            self.drawn = Some(Instant::now());
            DRAWN.store(true, Ordering::SeqCst);
            let _ = write!(std::io::stderr(), "\r\x1b[K  {}", line(&self.what, self.done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        erase();
    }
}

fn line(what: &str, done: u64, total: Option<u64>) -> String {
    match total {
        None if done == 0 => format!("{what} …"),
        None => format!("{what}  {done}"),
        Some(total) => {
            let full = WIDTH as u64;
            let filled = done.min(total).saturating_mul(full).checked_div(total).unwrap_or(full);
            // At most WIDTH.
            let filled = filled as usize;
            format!("{what}  [{}{}]  {done} of {total}", "#".repeat(filled), ".".repeat(WIDTH - filled))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn it_says_how_far_it_is() {
        for (done, total, said) in [
            (0, None, "Pushing …"),
            (1_500, None, "Pushing  1500"),
            (0, Some(20_000), "Pushing  [........................]  0 of 20000"),
            (10_000, Some(20_000), "Pushing  [############............]  10000 of 20000"),
            (20_000, Some(20_000), "Pushing  [########################]  20000 of 20000"),
            (7, Some(5), "Pushing  [########################]  7 of 5"),
            (0, Some(0), "Pushing  [########################]  0 of 0"),
        ] {
            assert_eq!(line("Pushing", done, total), said);
        }
    }
}
