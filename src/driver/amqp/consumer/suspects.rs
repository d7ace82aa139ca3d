//! Suspects, which are fetched one by one from a queue of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Consumer, Publisher};
use crate::driver::amqp::client_trait::{Arrival, WINDOW};
use crate::driver::amqp::publish::Place;
use crate::driver::amqp::state::State;
use crate::driver::amqp::topology;
use crate::driver::{Reserved, Suspects};
use crate::error::Result;

/// For how long one reserve fetches at most, beyond what it takes.
const LONGEST: Duration = Duration::from_millis(250);

/// What was fetched and not taken, to be put back.
#[derive(Default)]
struct Aside {
    /// Their worker went away while they ran. The copies that say so come after the others.
    again: Vec<Arrival>,
    /// Only what the message itself says outlives this worker: that nobody is charged with its end.
    spared: Vec<Arrival>,
    /// They are to run alone.
    alone: Vec<Arrival>,
}

impl Aside {
    fn len(&self) -> usize {
        self.again.len() + self.spared.len() + self.alone.len()
    }
}

impl Consumer {
    pub(super) fn are_suspects_due(&mut self, queues: &[Arc<str>]) -> Result<bool> {
        for queue in queues {
            if self.inbox.count(&topology::suspects_of(queue))? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches suspects, and says whether more wait.
    pub(super) fn take_suspects(
        &mut self,
        queues: &[Arc<str>],
        wanted: Suspects,
        until: Instant,
        publisher: &mut Publisher,
    ) -> Result<(Vec<Reserved>, bool)> {
        if self.postponed.len() >= WINDOW {
            // Of those that are fetched some may have to be copied, which nobody can for now.
            return Ok((Vec::new(), self.are_suspects_due(queues)?));
        }
        let begin = Instant::now();
        let (mut jobs, mut more) = (Vec::new(), false);
        for (index, queue) in queues.iter().enumerate() {
            // Those that are spared go behind all others: a second round finds them.
            for round in 0..2 {
                if jobs.len() == wanted.most() {
                    more = more || self.are_suspects_due(&queues[index..])?;
                    return Ok((jobs, more));
                }
                let (aside, left) = self.fetch_suspects(queue, wanted, begin, until, &mut jobs)?;
                more |= left || aside.len() > 0;
                let finds_more = round == 0 && !aside.spared.is_empty();
                self.copy(aside.spared, publisher, |_, state| (state.spare(), Place::Suspects))?;
                self.copy(aside.alone, publisher, |_, state| (state, Place::Suspects))?;
                self.sort_again(aside.again, publisher)?;
                if !finds_more || publisher.is_held_up() {
                    break;
                }
                more = false;
            }
        }
        Ok((jobs, more))
    }

    /// Adds to `jobs`, and says whether more wait.
    fn fetch_suspects(
        &mut self,
        queue: &Arc<str>,
        wanted: Suspects,
        begin: Instant,
        until: Instant,
        jobs: &mut Vec<Reserved>,
    ) -> Result<(Aside, bool)> {
        let suspects = Arc::from(topology::suspects_of(queue));
        let mut aside = Aside::default();
        let mut left = 0;
        while jobs.len() < wanted.most() && aside.len() < WINDOW {
            if aside.len() > 0 && begin.elapsed() > LONGEST {
                break;
            }
            let got = self.inbox.get(&suspects)?;
            left = got.as_ref().map_or(0, |(_, left)| *left);
            let Some((mut arrival, _)) = got else { break };
            self.deliveries.delivered(arrival.tag);
            arrival.queue = Arc::clone(queue);
            let state = State::read(arrival.envelope.app_id.as_deref());
            if arrival.redelivered {
                aside.again.extend(self.adopt(arrival));
            } else if wanted.are_charged() {
                jobs.push(self.hold(arrival, until));
            } else if state.runs_alone() {
                aside.alone.push(arrival);
            } else if state.spared {
                jobs.push(self.hold(arrival, until));
            } else {
                aside.spared.push(arrival);
            }
        }
        Ok((aside, left > 0))
    }
}
