//! The stock binary: the command line with the jobs `Echo` and `Fail`.

use std::process::ExitCode;

fn main() -> ExitCode {
    craft_queue::main(craft_queue::stock_jobs())
}
