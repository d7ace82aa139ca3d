//! The adapter to amiquip: the only file that names it.
//!
//! What it does not do for us is done here. It waits for ever when a peer stops reading, also in `close`
//! and in `Drop`: so each connection has a kill switch, a second handle of its socket, that is thrown when
//! an answer is late, also that to a close. It does not set TCP_NODELAY, without which one
//! confirmed publish takes 40 ms. It gives the cause of a closed connection once, to the first call that asks.

mod answers;
mod connect;
mod consuming;
mod declaring;
mod frame_checker;
mod kill_switch;
mod link;
mod opener;
mod properties;
mod receiving;
mod sanitize;
#[cfg(feature = "rustls")]
mod secure;
mod sending;

use amiquip::{
    AmqpProperties, AmqpValue, Auth, Channel, Confirm as LibraryConfirm, Connection,
    ConnectionBlockedNotification, ConnectionOptions, ConnectionTuning, Consumer, ConsumerMessage,
    ConsumerOptions, Delivery, Error as AmqpError, ExchangeDeclareOptions, ExchangeType, FieldTable, Publish,
    QueueDeclareOptions, QueueDeleteOptions, Return,
};

pub(super) use opener::Opener;

impl amiquip::IoStream for frame_checker::CheckedStream {}

/// Foreign headers and properties of a message, which a copy keeps.
pub(super) type Rest = AmqpProperties;

/// The target of the library's own log lines.
#[cfg(feature = "cli")]
pub(crate) const LOG_TARGET: &str = "amiquip";
