//! Sends control messages to the workers of a driver: pause, resume, restart.

use std::collections::BTreeSet;

use super::Queue;
use crate::driver::ControlMessage;
use crate::error::Result;
use crate::message::{check_name, check_queue};

impl Queue {
    /// Pauses a queue of a driver, and answers whether that is new. From their next poll on its workers take nothing
    /// new from the queue; running jobs finish, pushes go on, and jobs of other queues run. The pause holds until
    /// [`Queue::resume`], also for workers that start later.
    ///
    /// # Errors
    /// There is no such driver, it can't be reached, or it keeps no control messages: its jobs run in the program
    /// that pushes them ([`is_unsupported`](crate::Error::is_unsupported)).
    pub fn pause(&self, driver: Option<&str>, queue: &str) -> Result<bool> {
        check_queue("name of the queue", queue)?;
        self.send(driver, &ControlMessage::Pause(queue), &format!("pause queue \"{queue}\""))
    }

    /// Ends the pause of a queue, and answers whether there was one.
    ///
    /// # Errors
    /// As [`Queue::pause`].
    pub fn resume(&self, driver: Option<&str>, queue: &str) -> Result<bool> {
        check_name("name of the queue", queue)?;
        self.send(driver, &ControlMessage::Resume(queue), &format!("resume queue \"{queue}\""))
    }

    /// Asks every worker of a driver that runs now to finish its running jobs and end, so that its supervisor starts it
    /// again with a new version of the program. Workers that start afterwards are not concerned.
    ///
    /// # Errors
    /// As [`Queue::pause`].
    pub fn restart_workers(&self, driver: Option<&str>) -> Result<()> {
        self.send(driver, &ControlMessage::Restart, "restart the workers").map(drop)
    }

    /// The queues of a driver that are paused.
    ///
    /// # Errors
    /// There is no such driver, or it can't be reached.
    pub fn paused(&self, driver: Option<&str>) -> Result<BTreeSet<String>> {
        match self.0.0.configured(driver)?.with_control(|control| control.flags()) {
            Ok(flags) => Ok(flags.paused),
            // Nobody can have paused any.
            Err(error) if error.is_unsupported() => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    fn send(&self, driver: Option<&str>, message: &ControlMessage<'_>, what: &str) -> Result<bool> {
        let configured = self.0.0.configured(driver)?;
        configured.with_control(|control| control.send(message)).map_err(|error| {
            match error.is_unsupported() {
                true => error.context(format!("cannot {what} of driver \"{}\"", configured.name)),
                false => error,
            }
        })
    }
}
