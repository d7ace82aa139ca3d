//! The private port to an AMQP client library: few verbs, plain data.
//!
//! An implementation waits for answers only within its own limits, and never repairs anything: after
//! an error it is dropped. Dropping it waits a moment at most. Another client library is one more file
//! beside `client.rs`; `fake.rs` is a broker in memory for the tests.
//!
//! There are two connections, because a broker that is short of memory stops reading a connection that
//! publishes, and acknowledgements must not wait behind that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::Rest;
use crate::driver::Notifier;
use crate::error::Result;

/// Opens connections.
pub(super) trait Client: Send + Sync {
    /// A connection to publish on, with confirms.
    fn outbox(&self) -> Result<Box<dyn Outbox>>;

    /// A connection to receive on. The notifier rings when something arrived, and when the connection is gone.
    fn inbox(&self, notifier: Notifier) -> Result<Box<dyn Inbox>>;

    /// A connection to this host was lost: of several, the next one is asked first.
    fn lost(&self, place: &str);
}

/// Publishes. Its publishes are numbered from 1.
pub(super) trait Outbox: Send {
    /// Makes sure that these exist. A queue that has another type by default stays as it is.
    fn declare(&mut self, objects: &[Object]) -> Result<()>;

    /// Declares a queue; says no where one of its name is there with other arguments.
    fn declare_exactly(&mut self, queue: &Object) -> Result<bool>;

    /// Declares a queue; says no where the node of a cluster that keeps it is away.
    fn declare_unless_away(&mut self, queue: &Object) -> Result<bool>;

    /// How many messages wait in a queue that is there.
    fn count(&mut self, queue: &str) -> Result<u64>;

    /// Which host it is connected to.
    fn place(&self) -> String;

    /// Whether its quorum queues keep an expired message until the next queue has it, as from RabbitMQ 3.10 on.
    fn dead_letters_surely(&self) -> bool;

    /// Whether there is a queue of this name.
    fn has_queue(&mut self, name: &str) -> Result<bool>;

    /// Sends one message and does not wait for the answer, for at most `limit`. At most [`WINDOW`] may be unanswered.
    fn publish(&mut self, address: &Address, envelope: &Envelope, body: &[u8], limit: Duration)
    -> Result<()>;

    /// The size of the largest frame, into which all properties of a message must fit; foreign headers and long texts
    /// of our own are left away or cut for that.
    fn frame_max(&self) -> usize;

    /// What the broker has answered, after waiting at most `limit` for the first answer.
    fn answers(&mut self, limit: Duration) -> Result<Answers>;

    /// Why the broker takes no messages now, when it said so.
    fn blocked(&mut self) -> Option<String>;
}

/// How many publishes may be unanswered.
pub(super) const WINDOW: usize = 1_000;

/// How many bytes of publishes may be unanswered. So many find room on their way out, also while the broker reads
/// nothing, so that a publish does not wait; but one that is larger by itself.
pub(super) const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// What a broker answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Message ids that no queue took. A return comes no later than the confirm of the same message.
    pub(super) returned: Vec<String>,
    /// In the order in which they came.
    pub(super) confirms: Vec<Confirm>,
}

/// The broker has a publish, or refuses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirm {
    /// Which one.
    pub(super) number: u64,
    /// All before it as well.
    pub(super) multiple: bool,
    /// Whether it has it.
    pub(super) ok: bool,
}

/// Receives, and does what else needs answers.
pub(super) trait Inbox: Send {
    /// Makes sure that these exist. A queue that has another type by default stays as it is.
    fn declare(&mut self, objects: &[Object]) -> Result<()>;

    /// Declares a queue; says no where one of its name is there with other arguments.
    fn declare_exactly(&mut self, queue: &Object) -> Result<bool>;

    /// Has a queue delivered, with at most `prefetch` unacknowledged. Again: with a new `prefetch`.
    fn subscribe(&mut self, queue: &Arc<str>, prefetch: u16) -> Result<()>;

    /// Ends all deliveries. What was on its way is among the next [`arrivals`](Inbox::arrivals).
    fn unsubscribe(&mut self, limit: Duration) -> Result<()>;

    /// Whether the connection is still there, as far as anybody has noticed. Never waits.
    fn check(&mut self) -> Result<()>;

    /// What arrived since the last call. Never waits.
    fn arrivals(&mut self) -> Result<Vec<Arrival>>;

    /// What arrived since the last call, also on a connection that was lost meanwhile.
    fn unread(&mut self) -> Vec<Arrival>;

    /// Takes one message out of a queue, and says how many are left there.
    fn get(&mut self, queue: &Arc<str>) -> Result<Option<(Arrival, u64)>>;

    /// The message is settled; with `multiple` all before it too. Not waited for.
    fn ack(&mut self, tag: u64, multiple: bool) -> Result<()>;

    /// Waits until the broker has seen all acks; what it sent before that is among the next
    /// [`arrivals`](Inbox::arrivals).
    fn flush(&mut self, limit: Duration) -> Result<()>;

    /// How many messages wait in a queue; none when there is no such queue.
    fn count(&mut self, queue: &str) -> Result<u64>;

    /// Removes what waits in a queue, and says how many.
    fn purge(&mut self, queue: &str) -> Result<u64>;

    /// Removes a queue, and says how many messages it had.
    fn delete(&mut self, queue: &str) -> Result<u64>;
}

/// A message that came.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Acknowledges it, on the connection that it came on.
    pub(super) tag: u64,
    /// The queue it was in.
    pub(super) queue: Arc<str>,
    /// Somebody had it before and did not settle it.
    pub(super) redelivered: bool,
    /// With which routing key it came into the queue.
    pub(super) routing_key: String,
    /// Its properties.
    pub(super) envelope: Envelope,
    /// Its bytes.
    pub(super) body: Vec<u8>,
}

/// The properties of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    /// `message_id`: the job's uuid.
    pub(super) message_id: Option<String>,
    /// `type`: the job's name.
    pub(super) name: Option<String>,
    /// `app_id`: see [`State`](super::state::State).
    pub(super) app_id: Option<String>,
    /// `priority`.
    pub(super) priority: Option<u8>,
    /// It is forgotten when the broker ends.
    pub(super) passing: bool,
    /// Headers of our own: those that begin with [`OWN_HEADERS`], which the key leaves away.
    pub(super) notes: BTreeMap<&'static str, String>,
    /// When the broker itself moved it last, in milliseconds since 1970. A copy does not keep it.
    pub(super) moved_at: Option<i64>,
    /// What others gave it and a copy keeps.
    pub(super) rest: Rest,
}

/// What the names of our own headers begin with.
pub(super) const OWN_HEADERS: &str = "craft-queue-";

/// Our own headers; others that begin like these are dropped.
pub(super) mod note {
    /// What the push overrode, as JSON.
    pub(in super::super) const OVERRIDES: &str = "overrides";
    /// What the last attempt died of, or what it is dead of.
    pub(in super::super) const ERROR: &str = "error";
    /// On dead jobs: the driver they ran on.
    pub(in super::super) const DRIVER: &str = "driver";
    /// On dead jobs: the connection of that driver.
    pub(in super::super) const CONNECTION: &str = "connection";
    /// On dead jobs: the queue they ran in.
    pub(in super::super) const QUEUE: &str = "queue";
    /// On dead jobs: when they died, in milliseconds since 1970.
    pub(in super::super) const FAILED_AT: &str = "failed-at";
    /// Instead of a dead job: the one of this id, recorded before, is not dead. A digest of its payload.
    pub(in super::super) const WITHDRAWN: &str = "withdrawn";
    /// All of them.
    pub(in super::super) const ALL: [&str; 7] =
        [OVERRIDES, ERROR, DRIVER, CONNECTION, QUEUE, FAILED_AT, WITHDRAWN];
}

/// Where a publish goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    /// Empty is the default exchange, which knows every queue by its name.
    pub(super) exchange: String,
    /// The queue's name, or bits for the delay queues.
    pub(super) routing_key: String,
}

/// Something that a broker can be told to have. All of it is durable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    /// A queue.
    Queue { name: String, arguments: Vec<(&'static str, Argument)> },
    /// An exchange of some kind.
    Exchange { name: String, kind: Kind, alternate: Option<String> },
    /// What comes to the exchange with a matching key goes to the queue.
    QueueBinding { queue: String, exchange: String, key: String },
    /// What comes to the exchange with a matching key goes to the other exchange.
    ExchangeBinding { destination: String, exchange: String, key: String },
}

/// How an exchange compares keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Word by word.
    Topic,
    /// It does not.
    Fanout,
}

/// An argument of a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// The argument that makes a queue a classic one, whatever the vhost's default is.
pub(super) fn classic_type() -> (&'static str, Argument) {
    ("x-queue-type", Argument::Text("classic".into()))
}

/// The argument that makes a queue a quorum queue.
pub(super) fn quorum_type() -> (&'static str, Argument) {
    ("x-queue-type", Argument::Text("quorum".into()))
}
