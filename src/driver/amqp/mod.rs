//! The amqp driver: jobs wait in RabbitMQ.

mod client;
mod ladder;
mod options;
mod refusal;
mod state;
mod topology;
mod wire;

pub use options::Options;
