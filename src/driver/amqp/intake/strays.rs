//! Jobs that came down the ladder while their queue was missing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Intake;
use crate::driver::amqp::ladder;
use crate::driver::amqp::publisher::{Place, Publisher};
use crate::driver::amqp::wire::WINDOW;
use crate::error::Result;

/// How long a turn may look for strays, where it found jobs and where it did not.
pub(super) const BUSY: Duration = Duration::from_millis(5);
pub(super) const IDLE: Duration = Duration::from_millis(50);

impl Intake {
    /// Sends some of the jobs on whose queue was missing, as many as the time allows.
    pub(super) fn bring_strays_home(&mut self, limit: Duration, publisher: &mut Publisher) -> Result<()> {
        let stray: Arc<str> = ladder::STRAY.into();
        let end = Instant::now() + limit;
        let mut arrivals = Vec::new();
        while self.strays > 0 && arrivals.len() < WINDOW && (arrivals.is_empty() || Instant::now() < end) {
            let Some((arrival, _)) = self.inbox.get(&stray)? else {
                self.strays = 0;
                break;
            };
            self.strays -= 1;
            self.holds.delivered(arrival.tag);
            arrivals.push(arrival);
        }
        self.copy(arrivals, publisher, |arrival, state| (state, Place::Home(arrival.routing_key.clone())))
    }
}
