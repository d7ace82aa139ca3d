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

use super::client_trait::Object;
use super::client_trait::classic_type;

/// One message for each start.
pub(super) const STARTS: &str = "craft-queue.starts";

/// It has a message from the first look after a start.
pub(super) const RUNNING: &str = "craft-queue.running";

/// The queue whose messages are counted, and the one of the mark.
pub(super) fn queues() -> [Object; 2] {
    [STARTS, RUNNING].map(|name| Object::Queue { name: name.into(), arguments: vec![classic_type()] })
}
