//! How often the broker has started, as far as anybody here noticed.
//!
//! A broker that was killed no longer knows what of its classic queues was in somebody's hands, and says of
//! everything that it was. So each message carries the number of the start in which it was published. One
//! that comes again from an earlier start is copied as it is, with the number of this one; only when it
//! comes again in the same start did a worker go away with it.
//!
//! The broker tells no such number. Here it is the number of messages in a durable queue, one for each start
//! that somebody noticed by an exchange that is not durable: where that is missing, the broker has started
//! since. Two who notice at once count twice, and then some jobs are copied once more, which does no harm.
//! Where the exchange outlives the start (another node of a cluster kept it), all that came again counts as
//! before.

use super::wire::Object;

/// One message for each start.
pub(super) const STARTS: &str = "craft-queue.starts";

/// It is there from the first look after a start.
pub(super) const RUNNING: &str = "craft-queue.running";

/// The queue whose messages are counted.
pub(super) fn counter() -> Object {
    Object::Queue { name: STARTS.into(), arguments: vec![] }
}

/// What says that this start has been counted.
pub(super) fn mark() -> Object {
    Object::Mark { exchange: RUNNING.into() }
}
