//! The memory driver keeps the contract.

use craft_queue::conformance::Subject;
use craft_queue::driver::memory::Memory;

craft_queue::conformance_tests!(subject());

fn subject() -> Subject {
    let mut subject = Subject::new(Memory::new);
    subject.can.inspect = true;
    subject
}
