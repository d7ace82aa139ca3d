//! One run of a program: start it, feed it, listen to it, end it in time.

use std::io::{ErrorKind, PipeWriter, Write, pipe};
use std::os::unix::process::CommandExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::output::Output;
use super::{Call, status};
use crate::job::JobError;
use crate::policy::Outcome;
use crate::runner::system::{Ask, Watched, ask_group, has_ended, never_wait, wait};
use crate::runner::warden;

/// How long a process has between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// A program tells its end by closing its pipes. Where others still have them, it is looked for this often.
const LOOK: Duration = Duration::from_millis(50);

const SHORTEST_NAP: Duration = Duration::from_micros(50);

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
        let mut child = command.spawn()?;
        // Our copies of its ends must go, or we would wait for ourselves.
        drop(command);
        let watch = warden::watch(child.id());
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
        let mut nap = SHORTEST_NAP;
        let mut looked = Instant::now();
        loop {
            self.feed();
            let mut heard = self.out.read(&mut room);
            heard |= self.errors.read(&mut room);
            let now = Instant::now();
            let silent = self.out.pipe().is_none() && self.errors.pipe().is_none();
            let over_time = self.ends_at.is_some_and(|at| now >= at);
            if silent || over_time || now - looked >= LOOK {
                looked = now;
                if has_ended(self.leader) {
                    break;
                }
                self.end_in_time(now, call.context.surroundings.killed.load(Ordering::Acquire));
            }
            match (heard, silent) {
                (true, _) => {}
                (false, true) => {
                    // It has closed its pipes, mostly because it is ending right now.
                    std::thread::sleep(nap);
                    nap = (2 * nap).min(LOOK);
                }
                (false, false) => self.wait(now),
            }
        }
        // What it wrote before its end, but nothing that others go on to write.
        for _ in 0..MOST_LEFT {
            let heard = self.out.read(&mut room);
            if !self.errors.read(&mut room) && !heard {
                break;
            }
        }
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

    fn wait(&self, now: Instant) {
        let mut watched: Vec<_> = [&self.out, &self.errors]
            .iter()
            .filter_map(|output| output.pipe())
            .map(Watched::to_read)
            .collect();
        watched.extend(self.input.as_ref().map(Watched::to_write));
        let longest = self.ends_at.map_or(LOOK, |at| at.saturating_duration_since(now).min(LOOK));
        wait(&mut watched, longest);
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
