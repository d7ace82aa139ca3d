//! Jobs that came down the delay queues while their queue was missing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Consumer;
use crate::driver::amqp::client_trait::WINDOW;
use crate::driver::amqp::delay_queues;
use crate::driver::amqp::publish::Place;
use crate::driver::amqp::publisher::Publisher;
use crate::error::Result;

impl Consumer {
    /// Sends some of the jobs on whose queue was missing, as many as the time allows.
    pub(super) fn bring_strays_home(&mut self, limit: Duration, publisher: &mut Publisher) -> Result<()> {
        let stray: Arc<str> = delay_queues::STRAY.into();
        let end = Instant::now() + limit;
        let mut arrivals = Vec::new();
        while self.strays > 0 && arrivals.len() < WINDOW && (arrivals.is_empty() || Instant::now() < end) {
            let Some((arrival, _)) = self.inbox.get(&stray)? else {
                self.strays = 0;
                break;
            };
            self.strays -= 1;
            self.deliveries.delivered(arrival.tag);
            arrivals.push(arrival);
        }
        self.copy(arrivals, publisher, |arrival, state| (state, Place::Home(arrival.routing_key.clone())))
    }
}
