//! The amqp driver keeps the contract on quorum queues, as far as AMQP can.

use std::sync::OnceLock;
use std::time::Duration;

use craft_queue::conformance::{Storage, Subject};
use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};

use super::foreign::Client;

/// One vhost for all: each check has queues of its own.
fn subject() -> Subject {
    static OPTIONS: OnceLock<AmqpOptions> = OnceLock::new();
    let options = OPTIONS.get_or_init(super::support::fresh);
    let options = AmqpOptions { quorum: true, max_priority: None, ..options.clone() };
    let writer = Client(options.clone());
    let mut subject =
        Subject::of(move || Storage::new(AmqpBackend::new(options.clone())).foreign_writer(writer.clone()));
    subject.can.failed_jobs = false;
    subject.can.bury = false;
    subject.can.control = false;
    subject.can.inspect = false;
    subject.can.refuse_changes = false;
    subject.can.know_uuids = false;
    subject.can.unique_keys = false;
    subject.can.priorities = false;
    subject.can.strict_order = false;
    subject.can.sizes = false;
    subject.can.next_due = false;
    subject.can.leases = false;
    subject.can.shared_receipts = false;
    subject.patience = Duration::from_secs(60);
    subject.quiet = Duration::from_millis(300);
    subject
}

craft_queue::conformance_tests!(subject());
