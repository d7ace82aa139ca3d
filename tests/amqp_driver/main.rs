//! The amqp driver on a real, private broker.
//!
//! A test target of its own for now; to be merged into tests/it.
#![cfg(feature = "amqp")]

mod bench;
mod conformance_classic;
mod conformance_quorum;
mod dead;
mod delays;
mod faults;
mod foreign;
mod holds;
#[allow(dead_code)]
mod servers;
mod support;
mod work;
