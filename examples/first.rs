//! The first program of the README: `cargo run --example first -- queue:work`.

use std::path::PathBuf;
use std::process::ExitCode;

use craft_queue::{Context, JobResult, Jobs, Queueable};
use serde::{Deserialize, Serialize};

/// A job: its fields are what waits on the queue.
#[derive(Serialize, Deserialize)]
struct CreateInvoice {
    order_id: i64,
}

impl Queueable for CreateInvoice {
    const NAME: &'static str = "CreateInvoice";

    fn handle(&self, job: &Context) -> JobResult {
        let folder = &job.state::<Invoices>()?.folder;
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{}.txt", self.order_id)), "Thank you.")?;
        Ok(())
    }
}

/// What the jobs of this program share.
struct Invoices {
    folder: PathBuf,
}

fn main() -> ExitCode {
    let jobs = Jobs::new().state(Invoices { folder: "invoices".into() }).add::<CreateInvoice>();
    craft_queue::main(jobs)
}
