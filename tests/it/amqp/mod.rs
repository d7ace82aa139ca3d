//! The amqp driver on a real, private broker.

mod alarms;
mod commands;
mod conformance_classic;
mod conformance_quorum;
mod cuts;
mod dead;
mod delays;
mod faults;
mod foreign;
mod holds;
mod processes;
mod refused;
mod retries;
mod signals;
mod strangers;
mod support;
mod tls;
mod work;
