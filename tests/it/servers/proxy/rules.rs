//! What the proxy does with the bytes, and when it cuts.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::link::Link;
use super::{Direction, Traffic};

/// A cut that waits for its moment. It springs once.
#[derive(Clone)]
pub enum Trap {
    After(Direction, u64),
    Before(Vec<u8>),
    AnswerTo(Vec<u8>),
    StallAt(Vec<u8>),
}

/// What is to be done with the bytes that have arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Forward,
    Lose,
    /// Forward the first so many, then cut the connection.
    Cut(usize),
}

/// What one direction of one connection has seen of the trap that is set.
#[derive(Default)]
pub struct Seen {
    trap: u64,
    bytes: u64,
    /// The last bytes, one less than the pattern has: it may begin in one packet and end in
    /// another.
    end: Vec<u8>,
}

pub struct Rules {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    traffic: Traffic,
    trap: Option<Trap>,
    /// Tells the traps apart.
    traps: u64,
    sprung: bool,
    links: Vec<Arc<Link>>,
    accepted: usize,
}

impl Rules {
    pub fn new() -> Rules {
        Rules {
            state: Mutex::new(State {
                traffic: Traffic::Pass,
                trap: None,
                traps: 0,
                sprung: false,
                links: Vec::new(),
                accepted: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub fn set(&self, traffic: Traffic) {
        self.lock().traffic = traffic;
        self.changed.notify_all();
    }

    pub fn arm(&self, trap: Trap) {
        let mut state = self.lock();
        state.trap = Some(trap);
        state.traps += 1;
        state.sprung = false;
    }

    /// Waits until bytes may go on, and says how. No bytes are the end of the stream.
    pub fn judge(&self, way: Direction, link: &Link, seen: &mut Seen, bytes: &[u8]) -> Verdict {
        if self.wait_for_passage() == Traffic::Swallow {
            link.lose();
        }
        let mut state = self.lock();
        if link.has_lost() {
            return Verdict::Lose;
        }
        if way == Direction::ToClient && link.loses_answer() {
            state.sprung = true;
            return Verdict::Cut(0);
        }
        state.look_at(way, link, seen, bytes)
    }

    /// Waits as long as the traffic demands. Returns what it was in the end.
    pub fn wait_for_passage(&self) -> Traffic {
        let mut state = self.lock();
        loop {
            let traffic = state.traffic;
            match traffic {
                Traffic::Pass | Traffic::Swallow => return traffic,
                Traffic::Stall => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Traffic::Delay(delay) => {
                    let waited = self
                        .changed
                        .wait_timeout_while(state, delay, |state| state.traffic == traffic)
                        .unwrap_or_else(PoisonError::into_inner);
                    if waited.1.timed_out() {
                        return traffic;
                    }
                    state = waited.0;
                }
            }
        }
    }

    pub fn enter(&self, link: &Arc<Link>) {
        let mut state = self.lock();
        state.links.push(Arc::clone(link));
        state.accepted += 1;
    }

    pub fn leave(&self, link: &Arc<Link>) {
        self.lock().links.retain(|other| !Arc::ptr_eq(other, link));
    }

    pub fn cut_all(&self) {
        for link in self.lock().links.drain(..) {
            link.cut();
        }
    }

    pub fn has_sprung(&self) -> bool {
        self.lock().sprung
    }

    pub fn connections(&self) -> usize {
        self.lock().links.len()
    }

    pub fn accepted(&self) -> usize {
        self.lock().accepted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look_at(&mut self, way: Direction, link: &Link, seen: &mut Seen, bytes: &[u8]) -> Verdict {
        if seen.trap != self.traps {
            *seen = Seen { trap: self.traps, ..Seen::default() };
        }
        match &self.trap {
            Some(Trap::After(direction, limit)) if *direction == way => {
                seen.bytes += bytes.len() as u64;
                let Some(over) = seen.bytes.checked_sub(*limit) else {
                    return Verdict::Forward;
                };
                self.trap = None;
                self.sprung = true;
                Verdict::Cut(bytes.len().saturating_sub(over as usize))
            }
            Some(Trap::Before(pattern)) if way == Direction::ToServer => {
                if !seen.finds(pattern, bytes) {
                    return Verdict::Forward;
                }
                self.trap = None;
                self.sprung = true;
                Verdict::Cut(0)
            }
            Some(Trap::AnswerTo(pattern)) if way == Direction::ToServer => {
                if seen.finds(pattern, bytes) {
                    self.trap = None;
                    link.lose_answer();
                }
                Verdict::Forward
            }
            Some(Trap::StallAt(pattern)) if way == Direction::ToServer => {
                if seen.finds(pattern, bytes) {
                    self.trap = None;
                    self.sprung = true;
                    self.traffic = Traffic::Stall;
                }
                Verdict::Forward
            }
            _ => Verdict::Forward,
        }
    }
}

impl Seen {
    fn finds(&mut self, pattern: &[u8], bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        self.end.extend_from_slice(bytes);
        let found = pattern.is_empty() || self.end.windows(pattern.len()).any(|window| window == pattern);
        let keep = pattern.len().saturating_sub(1).min(self.end.len());
        self.end.drain(..self.end.len() - keep);
        found
    }
}
