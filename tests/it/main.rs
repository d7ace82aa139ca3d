//! One binary for all tests that see the crate from outside: it links once.

mod conformance_memory;
mod conformance_sqlite;
mod example_fourth_driver;
mod example_invoices;
mod readme;
