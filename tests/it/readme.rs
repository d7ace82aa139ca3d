//! Every Rust sample of the README stands in this file, where it compiles and runs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

type Tested = Result<(), Box<dyn std::error::Error>>;

mod job {
    use craft_queue::{Context, JobResult, Queueable};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub struct CreateInvoice {
        pub order_id: i64,
    }

    impl Queueable for CreateInvoice {
        const NAME: &'static str = "CreateInvoice";

        fn handle(&self, job: &Context) -> JobResult {
            let invoices = job.state::<Invoices>()?;
            std::fs::write(invoices.folder.join(format!("{}.txt", self.order_id)), "Thank you.")?;
            Ok(())
        }
    }

    /// What the jobs of a program share.
    pub struct Invoices {
        pub folder: std::path::PathBuf,
    }
}

use craft_queue::{Event, Jobs, Queue};
use job::{CreateInvoice, Invoices};

/// Only compiled: it would read the arguments of the tests.
#[cfg(feature = "cli")]
#[allow(dead_code)]
mod craft {
    use super::*;

    fn main() -> std::process::ExitCode {
        craft_queue::main(Jobs::new().add::<CreateInvoice>())
    }
}

fn shop() -> std::io::Result<(TempDir, craft_queue::Config)> {
    let folder = tempfile::tempdir()?;
    let config = craft_queue::Config::sqlite(folder.path().join("shop.sqlite3"));
    Ok((folder, config))
}

thread_local! {
    static CONFIG: RefCell<craft_queue::Config> = RefCell::default();
}

/// Takes the place of what the machine that runs the tests may have configured.
struct Config;

impl Config {
    fn load() -> craft_queue::Result<craft_queue::Config> {
        Ok(CONFIG.with_borrow(Clone::clone))
    }
}

#[test]
fn jobs_are_pushed_and_worked_off() -> Tested {
    let (kept, config) = shop()?;
    Queue::open(config.clone(), Jobs::new())?.install()?;
    CONFIG.set(config);
    let folder = kept.path().to_owned();

    let jobs = Jobs::new().state(Invoices { folder }).add::<CreateInvoice>();
    let queue = Queue::open(Config::load()?, jobs)?;

    queue.push(CreateInvoice { order_id: 1 })?;
    queue.on("invoices").driver("async").push(CreateInvoice { order_id: 2 })?;
    queue.on("invoices").delay("10 minutes").attempts(5).push(CreateInvoice { order_id: 3 })?;
    queue.options().unique("order-4").push(CreateInvoice { order_id: 4 })?;
    queue.push_many((5..100).map(|order_id| CreateInvoice { order_id }))?;

    let sizes = queue.size(None, &["default".into(), "invoices".into()])?;
    assert_eq!((sizes[0].waiting, sizes[1].delayed), (Some(97), Some(1)));

    let report = queue.worker().on("invoices").threads(4).stop_when_empty().run()?;
    println!("{} done, {} failed", report.done, report.failed);

    drop(queue);
    assert!(kept.path().join("2.txt").exists(), "the async driver is worked off");
    Ok(())
}

#[test]
fn a_listener_hears_of_the_dead() -> Tested {
    static DEAD_JOBS: AtomicU64 = AtomicU64::new(0);
    let (_kept, config) = shop()?;
    let jobs = Jobs::new().add::<CreateInvoice>();

    let queue = Queue::builder(config, jobs)
        .listener(|event| {
            if let Event::Buried { .. } = event {
                DEAD_JOBS.fetch_add(1, Ordering::Relaxed);
            }
        })
        .open()?;

    queue.install()?;
    // It dies of the state that it was not given.
    queue.options().attempts(1).push(CreateInvoice { order_id: 1 })?;
    queue.worker().stop_when_empty().run()?;
    assert_eq!(DEAD_JOBS.load(Ordering::Relaxed), 1);
    Ok(())
}

#[test]
fn a_fake_queue_records() -> Tested {
    let (queue, recorder) = Queue::fake();
    queue.on("invoices").push(CreateInvoice { order_id: 1 })?;
    assert_eq!(recorder.jobs::<CreateInvoice>()[0].order_id, 1);
    assert_eq!(recorder.sent()[0].queue, "invoices");
    Ok(())
}

#[test]
fn a_job_is_pushed_within_a_transaction() -> Tested {
    let (kept, config) = shop()?;
    let queue = Queue::open(config, Jobs::new().add::<CreateInvoice>())?;
    queue.install()?;
    let mut database = rusqlite::Connection::open(kept.path().join("shop.sqlite3"))?;
    database.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT)")?;

    let mut transaction = database.transaction()?;
    transaction.execute("INSERT INTO orders (customer) VALUES (?1)", ["Leonie Köhler"])?;
    let order_id = transaction.last_insert_rowid();
    queue.push_in(&mut transaction, CreateInvoice { order_id })?;
    transaction.commit()?;

    assert_eq!(queue.size(None, &["default".into()])?[0].waiting, Some(1));
    Ok(())
}

#[test]
fn every_sample_stands_in_this_file() {
    let bare = |text: &str| text.split_whitespace().filter(|word| *word != "pub").collect::<String>();
    let here = bare(include_str!("readme.rs"));
    for sample in include_str!("../../README.md").split("```rust\n").skip(1) {
        let (sample, _) = sample.split_once("```").expect("a sample ends");
        let missing = sample.lines().find(|line| !here.contains(&bare(line)));
        assert!(here.contains(&bare(sample)), "this sample is not tested, see {missing:?}:\n{sample}");
    }
}
