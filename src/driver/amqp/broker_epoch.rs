//! How often the broker has started, as far as anybody here noticed.
//!
//! A broker that was killed no longer knows what of its classic queues was in somebody's hands, and says of
//! everything that it was. So each message carries the number of the start in which it was published. One
//! that comes again from an earlier start is copied as it is, with the number of this one; only when it
//! comes again in the same start did a worker go away with it.
//!
//! The broker tells no such number. Here it is the number of messages in a durable queue, one for each start
//! that somebody noticed by a mark that no start outlives: a message that is not persistent, in a classic queue.
//! (An exchange that is not durable would outlive one: brokers that keep their definitions in Khepri forget it
//! only when they are stopped in good order.) Where the mark is missing, the broker has started since. Two who
//! notice at once count twice, and then some jobs are copied once more, which does no harm.
//!
//! In a cluster the mark is on one node, as everything that no start outlives. While that node is away nobody notices a
//! start; what its death brings back is suspected then, as after any lost connection. Its return is a start.

use super::client_trait::{Object, classic_type, quorum_type};

/// One message for each start, where the work queues are classic ones.
pub(super) const STARTS: &str = "craft-queue.starts";

/// The same where they are quorum queues, whose numbers must be known while a node is away.
pub(super) const QUORUM_STARTS: &str = "craft-queue.starts.quorum";

/// It has a message from the first look after a start.
pub(super) const RUNNING: &str = "craft-queue.running";

/// The queue whose messages are counted.
pub(super) fn starts(quorum: bool) -> (&'static str, Object) {
    let (name, kind) = if quorum { (QUORUM_STARTS, quorum_type()) } else { (STARTS, classic_type()) };
    (name, Object::Queue { name: name.into(), arguments: vec![kind] })
}

/// The queue of the mark.
pub(super) fn running() -> Object {
    Object::Queue { name: RUNNING.into(), arguments: vec![classic_type()] }
}
