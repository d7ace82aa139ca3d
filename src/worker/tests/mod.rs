//! The worker against a fake back end that records what it is asked.

mod control;
mod failed_jobs;
mod fake;
mod fake_failed;
mod fake_jobs;
mod identity;
mod leases;
mod outcomes;
mod refused;
mod schedule;
mod shares;
mod slices;
mod stopping;
mod turns;
