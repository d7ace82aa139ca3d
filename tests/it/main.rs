//! One binary for all tests that see the crate from outside: it links once.

mod amqp;
mod async_driver;
mod command_line;
mod compare;
mod conformance_memory;
mod conformance_mysql;
mod conformance_postgres;
mod conformance_sqlite;
mod example_fourth_driver;
mod example_invoices;
mod jobs;
mod migrations;
mod monitor;
mod plans;
mod process_children;
mod process_deaths;
mod process_site;
mod process_start;
mod processes;
mod program_jobs;
mod programs;
mod pushes;
mod readme;
mod retry;
mod server_faults;
mod server_messages;
mod server_plans;
#[allow(dead_code, reason = "a harness: not all of it is used by every test")]
mod servers;
mod signals;
mod support;
mod tidy;
mod time_zones;
