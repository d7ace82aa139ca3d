//! The amqp driver on a real, private broker.

mod alarms;
mod commands;
mod conformance_classic;
mod conformance_quorum;
mod control;
mod cuts;
mod delays;
mod failed_jobs;
mod faults;
mod foreign;
mod foreign_messages;
mod holds;
mod hosts;
mod kills;
mod processes;
mod refused;
mod retries;
pub mod site;
mod support;
mod tls;
mod work;
