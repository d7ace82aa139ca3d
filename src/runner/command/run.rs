//! One run of a program: start it, feed it, listen to it, end it in time.

use std::io::{ErrorKind, PipeWriter, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::output::Output;
use super::{Call, status};
use crate::job::JobError;
use crate::policy::{NotRun, Outcome};
use crate::runner::escaped_processes::{Escaped, reap_what_it_left};
use crate::runner::exit_status::{SAME_SIGNAL, TERM_GRACE};
use crate::runner::reaper::Watch;
use crate::runner::shortage::{is_shortage, warn_of_shortage};
use crate::runner::unix::{
    Ask, Watched, ask_group, end_of, has_ended, is_stopped_by_terminal, never_wait, wait, write,
};

/// How often to look whether everything shall end; and for its end, where the system does not tell of it.
const LOOK: Duration = Duration::from_millis(50);

const ROOM: usize = 64 * 1024;

/// More reads than a full pipe holds.
const MOST_LEFT: usize = 64;

/// Where something has run out: how long to wait before the second try, and before the job is given back.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

const NO_TERMINAL: &str = "it was stopped by the system when it wanted to use the terminal (SIGTTIN or SIGTTOU), and \
                           ended: a job has no terminal, what it needs to know belongs into its payload";

struct Running<'a> {
    leader: u32,
    input: Option<PipeWriter>,
    rest: &'a [u8],
    out: Output<'a>,
    errors: Output<'a>,
    /// When it is over time, or, once it was asked to end, when it dies.
    ends_at: Option<Instant>,
    asked: bool,
    /// It, or what it started, was stopped because it wanted to use the terminal.
    stopped: bool,
    escaped: Escaped,
}

/// A program that was started.
struct Started<'a> {
    child: Child,
    watch: Watch,
    running: Running<'a>,
}

impl Call<'_> {
    pub(super) fn run(&self) -> Result<Outcome, NotRun> {
        let mut wait = FIRST_WAIT;
        let begun = Instant::now();
        loop {
            match self.start(begun.elapsed()) {
                Ok(started) => return self.run_to_end(started),
                Err(cause) if is_shortage(&cause) => {
                    warn_of_shortage(&format!("cannot start {}", self.program.job.command[0]), &cause);
                    // Its slot waits too: it needs no more than what the other slots free when their jobs end.
                    if wait > LONGEST_WAIT || self.is_ending() {
                        return Err(NotRun { after: LONGEST_WAIT.mul_f64(1.0 + fastrand::f64()) });
                    }
                    std::thread::sleep(wait);
                    wait *= 2;
                }
                Err(cause) => {
                    return Ok(Outcome::Failed(JobError::new(self.program.why_not_started(&cause))));
                }
            }
        }
    }

    fn is_ending(&self) -> bool {
        let run_env = &self.context.run_env;
        run_env.stopping.load(Ordering::Acquire) || run_env.killed.load(Ordering::Acquire)
    }

    /// Starts it; `waited` is how long that took so far, which is not of its own time.
    fn start(&self, waited: Duration) -> std::io::Result<Started<'_>> {
        let (its_input, input) = pipe()?;
        let (out, its_out) = pipe()?;
        let (errors, its_errors) = pipe()?;
        never_wait(&input)?;
        never_wait(&out)?;
        never_wait(&errors)?;
        let mut command = self.program.command(self.context);
        command.stdin(its_input).stdout(its_out).stderr(its_errors).process_group(0);
        let watch = Watch::new()?;
        let child = command.spawn()?;
        watch.note(child.id());
        // Our copies of its ends must go, or we would wait for ourselves.
        drop(command);
        let output = |pipe| Output::new(pipe, &self.program.name, &self.context.id);
        let running = Running {
            leader: child.id(),
            input: Some(input),
            rest: self.payload,
            out: output(out),
            errors: output(errors),
            ends_at: self.context.deadline.map(|deadline| deadline + waited),
            asked: false,
            stopped: false,
            escaped: Escaped::default(),
        };
        Ok(Started { child, watch, running })
    }

    fn run_to_end(&self, started: Started<'_>) -> Result<Outcome, NotRun> {
        let Started { mut child, watch, mut running } = started;
        running.attend(self);
        // Its number is its own until it is reaped, so this ends what it left and nothing else.
        ask_group(child.id(), Ask::ToDie);
        running.escaped.ask_known(Ask::ToDie);
        drop(watch);
        let status = child.wait();
        reap_what_it_left(child.id(), &running.escaped);
        running.out.finish();
        let said = running.errors.finish();
        let status = match status {
            _ if running.stopped => return Ok(Outcome::Failed(JobError::new(NO_TERMINAL))),
            Ok(status) => status,
            Err(cause) => {
                let why = format!("cannot learn how {} ended: {cause}", self.program.job.command[0]);
                return Ok(Outcome::Failed(JobError::new(why)));
            }
        };
        let own_doing = running.asked || self.context.run_env.killed.load(Ordering::Acquire);
        if !own_doing && status::may_be_asked_to_stop(status) && self.is_asked_to_stop() {
            return Err(NotRun { after: Duration::ZERO });
        }
        Ok(status::outcome(status, &said))
    }

    /// Whether the worker is asked to stop, too. A service manager sends its signal to all processes of a unit, to one
    /// after the other, and the program may be quicker to end than the worker to hear of it.
    fn is_asked_to_stop(&self) -> bool {
        let patience = Instant::now() + SAME_SIGNAL;
        while !self.is_ending() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.is_ending()
    }
}

impl Running<'_> {
    /// Feeds it and listens to it until it has ended.
    fn attend(&mut self, call: &Call<'_>) {
        let mut room = vec![0; ROOM];
        let end = end_of(self.leader);
        let mut looked = Instant::now();
        loop {
            self.feed();
            let mut ended = self.wait(end.as_ref());
            self.out.read(&mut room);
            self.errors.read(&mut room);
            let now = Instant::now();
            if now - looked >= LOOK || self.is_silent() {
                looked = now;
                ended |= end.is_none() && has_ended(self.leader);
                self.stopped |= is_stopped_by_terminal(self.leader);
            }
            if ended {
                break;
            }
            let killed = call.context.run_env.killed.load(Ordering::Acquire);
            self.end_in_time(now, killed || self.stopped);
        }
        // What it wrote before its end, but nothing that others go on to write.
        for _ in 0..MOST_LEFT {
            let heard = self.out.read(&mut room);
            if !self.errors.read(&mut room) && !heard {
                break;
            }
        }
    }

    /// It has closed its outputs, mostly because it is ending right now.
    fn is_silent(&self) -> bool {
        self.out.pipe().is_none() && self.errors.pipe().is_none()
    }

    /// Writes what it takes. A program that reads nothing, or not all, is as good as any.
    fn feed(&mut self) {
        let Some(input) = &mut self.input else { return };
        while !self.rest.is_empty() {
            match write(input, self.rest) {
                Ok(count) => self.rest = &self.rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // The end of its input.
        self.input = None;
    }

    /// Waits for something to do, and says whether it has ended, as far as that can be told.
    fn wait(&self, end: Option<&OwnedFd>) -> bool {
        let left = self.ends_at.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
        let longest = if end.is_none() && self.is_silent() { Duration::from_millis(1) } else { LOOK };
        let mut watched: Vec<_> = end.into_iter().map(Watched::to_read).collect();
        watched.extend(
            [&self.out, &self.errors].iter().filter_map(|output| output.pipe()).map(Watched::to_read),
        );
        watched.extend(self.input.as_ref().map(Watched::to_write));
        wait(&mut watched, left.min(longest));
        end.is_some() && watched[0].is_ready()
    }

    /// SIGTERM when its time is over, SIGKILL a little later.
    fn end_in_time(&mut self, now: Instant, killed: bool) {
        if killed || (self.asked && self.ends_at.is_some_and(|at| now >= at)) {
            self.escaped.ask(self.leader, Ask::ToDie);
            ask_group(self.leader, Ask::ToDie);
            self.ends_at = Some(now + LOOK);
        } else if self.ends_at.is_some_and(|at| now >= at) {
            self.escaped.ask(self.leader, Ask::ToEnd);
            ask_group(self.leader, Ask::ToEnd);
            self.asked = true;
            self.ends_at = Some(now + TERM_GRACE);
        }
    }
}
