//! One run of a program: start it, feed it, listen to it, end it in time.

use std::io::{ErrorKind, PipeWriter, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::output::Output;
use super::{Call, status};
use crate::job::JobError;
use crate::policy::Outcome;
use crate::runner::system::{Ask, Watched, ask_group, end_of, has_ended, never_wait, wait};
use crate::runner::warden::Watch;

/// How long a process has between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// How often to look whether everything shall end; and for its end, where the system does not tell of it.
const LOOK: Duration = Duration::from_millis(50);

const ROOM: usize = 64 * 1024;

/// More reads than a full pipe holds.
const MOST_LEFT: usize = 64;

struct Running<'a> {
    leader: u32,
    input: Option<PipeWriter>,
    rest: &'a [u8],
    out: Output<'a>,
    errors: Output<'a>,
    /// When it is over time, or, once it was asked to end, when it dies.
    ends_at: Option<Instant>,
    asked: bool,
}

impl Call<'_> {
    pub(super) fn run(&self) -> Outcome {
        match self.try_run() {
            Ok(outcome) => outcome,
            Err(cause) => Outcome::Failed(JobError::new(self.not_started(&cause))),
        }
    }

    fn try_run(&self) -> std::io::Result<Outcome> {
        let (its_input, input) = pipe()?;
        let (out, its_out) = pipe()?;
        let (errors, its_errors) = pipe()?;
        never_wait(&input)?;
        never_wait(&out)?;
        never_wait(&errors)?;
        let mut command = self.program.command(self.context);
        command.stdin(its_input).stdout(its_out).stderr(its_errors).process_group(0);
        let watch = Watch::new();
        let mut child = command.spawn()?;
        watch.note(child.id());
        // Our copies of its ends must go, or we would wait for ourselves.
        drop(command);
        let output = |pipe| Output::new(pipe, &self.program.name, &self.context.id);
        let mut running = Running {
            leader: child.id(),
            input: Some(input),
            rest: self.payload,
            out: output(out),
            errors: output(errors),
            ends_at: self.context.deadline,
            asked: false,
        };
        running.attend(self);
        // Its number is its own until it is reaped, so this ends what it left and nothing else.
        ask_group(child.id(), Ask::ToDie);
        drop(watch);
        let status = child.wait()?;
        running.out.finish();
        Ok(status::outcome(status, &running.errors.finish()))
    }

    fn not_started(&self, cause: &std::io::Error) -> String {
        let program = &self.program.job.command[0];
        let hint = match (cause.kind(), &self.program.job.cwd) {
            (ErrorKind::NotFound, Some(folder)) if !folder.is_dir() => {
                format!(": its folder {} does not exist", folder.display())
            }
            (ErrorKind::NotFound, _) if program.contains('/') => {
                ": there is no such file, or the program in its first line is missing".to_owned()
            }
            (ErrorKind::NotFound, _) => ": there is no such program in PATH".to_owned(),
            (ErrorKind::PermissionDenied, _) => format!(": it may not be executed; try chmod +x {program}"),
            _ => format!(": {cause}"),
        };
        format!("cannot start {program}{hint}")
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
            }
            if ended {
                break;
            }
            self.end_in_time(now, call.context.surroundings.killed.load(Ordering::Acquire));
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
            match input.write(self.rest) {
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
            ask_group(self.leader, Ask::ToDie);
            self.ends_at = Some(now + LOOK);
        } else if self.ends_at.is_some_and(|at| now >= at) {
            ask_group(self.leader, Ask::ToEnd);
            self.asked = true;
            self.ends_at = Some(now + TERM_GRACE);
        }
    }
}
