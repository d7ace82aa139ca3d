//! One binary for all tests that see the crate from outside: it links once.

mod conformance_memory;
mod conformance_sqlite;
