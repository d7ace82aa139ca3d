//! The memory driver keeps the contract.

use craft_queue::conformance::Subject;
use craft_queue::driver::memory::Memory;

craft_queue::conformance_tests!(Subject::new(Memory::new));
