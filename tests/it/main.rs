//! One binary for all tests that see the crate from outside: it links once.

mod async_driver;
mod conformance_memory;
mod conformance_sqlite;
mod example_fourth_driver;
mod example_invoices;
mod jobs;
mod plans;
mod pushes;
mod retry;
mod support;
mod tidy;
mod time_zones;
