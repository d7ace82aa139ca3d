//! The worker against a fake back end that records what it is asked.

mod fake;
mod holds;
mod identity;
mod outcomes;
mod signals;
mod stopping;
