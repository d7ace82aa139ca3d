//! The stock binary: the command line with the jobs `Echo` and `Fail`.

use std::process::ExitCode;

fn main() -> ExitCode {
    craft_queue::App::new(craft_queue::stock_jobs()).name("craft").version(env!("CARGO_PKG_VERSION")).run()
}
