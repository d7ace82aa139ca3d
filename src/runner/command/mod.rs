//! Jobs that are programs: `[jobs.X] command` of queue.toml. The payload is the program's stdin, its exit
//! status the outcome, the end of its stderr the exception.
//!
//! The program is started as it is configured, without a shell; nothing of it comes from a
//! payload. It gets a process group of its own, and everything in that is gone when the job is over.

mod output;
mod run;
mod status;

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::config::CommandJob;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::job::JobError;
use crate::message::JobId;
use crate::policy::{NotRun, Outcome, TypeLimits};
use crate::registry::JobType;

/// A type of job that is a program.
pub(crate) struct Program {
    name: Arc<str>,
    job: CommandJob,
}

/// One run of a program.
struct Call<'a> {
    program: &'a Program,
    payload: &'a [u8],
    context: &'a Context,
}

impl Program {
    /// A program as it is configured. Paths become absolute, as this process may change its folder.
    pub(crate) fn new(name: &str, job: &CommandJob) -> Result<Self> {
        let mut job = job.clone();
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|cause| Error::config("a path is of no use").because(&cause))
        };
        let Some(program) = job.command.first_mut() else {
            return Err(
                Error::config("command is missing").with_help("write command = [\"python3\", \"job.py\"]")
            );
        };
        if program.contains('/') {
            *program = absolute(Path::new(program))?.to_string_lossy().into_owned();
        }
        job.cwd = job.cwd.as_deref().map(absolute).transpose()?;
        Ok(Self { name: name.into(), job })
    }

    fn command(&self, context: &Context) -> Command {
        let mut command = Command::new(&self.job.command[0]);
        command.args(&self.job.command[1..]);
        let run_env = context.run_env.environment.iter();
        command.envs(run_env.map(|(name, value)| (name, value))).envs(&self.job.env);
        match &context.id {
            JobId::Number(number) => command.env("CRAFT_JOB_ID", number.to_string()),
            JobId::Text(text) => command.env("CRAFT_JOB_ID", &**text),
        };
        command
            .env("CRAFT_JOB_NAME", &*self.name)
            .env("CRAFT_ATTEMPT", context.attempt.to_string())
            .env("CRAFT_QUEUE", &*context.queue);
        if let Some(folder) = &self.job.cwd {
            command.current_dir(folder);
        }
        command
    }

    /// Why it could not be started, in words that help.
    fn why_not_started(&self, cause: &std::io::Error) -> String {
        let program = &self.job.command[0];
        let hint = match (cause.kind(), &self.job.cwd) {
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

impl JobType for Program {
    fn limits(&self) -> TypeLimits {
        let CommandJob { attempts, backoff, timeout, .. } = &self.job;
        TypeLimits { attempts: *attempts, backoff: backoff.clone(), timeout: *timeout }
    }

    fn queue(&self) -> Option<&str> {
        self.job.queue.as_deref()
    }

    fn is_program(&self) -> bool {
        true
    }

    fn run(&self, payload: &[u8], _callback: &str, context: &Context) -> Result<Outcome, NotRun> {
        Call { program: self, payload, context }.run()
    }

    fn failed(&self, _: &[u8], _: &JobError, _: &Context) -> Result<(), String> {
        Ok(())
    }
}
