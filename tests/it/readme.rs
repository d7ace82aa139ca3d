//! Every Rust sample of the README stands in this file or in `examples/first.rs`, which is its first program:
//! they compile, and run.
#![allow(dead_code, unused_imports, reason = "each sample has the imports that it needs alone")]

include!("../../examples/first.rs");

mod pushing {
    use super::*;

    use craft_queue::{Config, Queue};

    pub fn take_orders(config: Config, jobs: Jobs) -> craft_queue::Result<()> {
        let queue = Queue::open(config, jobs)?;

        queue.push(CreateInvoice { order_id: 1 })?;
        queue.on("invoices").driver("async").push(CreateInvoice { order_id: 2 })?;
        queue.on("invoices").delay("10 minutes").attempts(5).push(CreateInvoice { order_id: 3 })?;
        queue.options().unique("order-4").push(CreateInvoice { order_id: 4 })?;
        queue.push_many((5..100).map(|order_id| CreateInvoice { order_id }))?;
        Ok(())
    }
}

mod working {
    use super::*;

    use craft_queue::Queue;

    pub fn work(queue: &Queue) -> craft_queue::Result<()> {
        let report = queue.worker().on("invoices").threads(4).stop_when_empty().run()?;
        println!("{} done, {} failed", report.done, report.failed);
        Ok(())
    }
}

mod measuring {
    use super::*;

    use std::sync::atomic::{AtomicU64, Ordering};

    use craft_queue::{Config, Event, Queue};

    pub static DEAD_JOBS: AtomicU64 = AtomicU64::new(0);

    pub fn open(config: Config, jobs: Jobs) -> craft_queue::Result<Queue> {
        let count = |event: &Event<'_>| {
            if let Event::Buried { .. } = event {
                DEAD_JOBS.fetch_add(1, Ordering::Relaxed);
            }
        };
        Queue::builder(config, jobs).listener(count).open()
    }
}

mod testing {
    use super::*;

    use craft_queue::Queue;

    pub fn what_is_pushed() -> craft_queue::Result<()> {
        let (queue, recorder) = Queue::fake();
        queue.on("invoices").push(CreateInvoice { order_id: 1 })?;
        assert_eq!(recorder.jobs::<CreateInvoice>()[0].order_id, 1);
        assert_eq!(recorder.sent()[0].queue, "invoices");
        Ok(())
    }
}

mod transactions {
    use super::*;

    use craft_queue::Queue;
    use craft_queue::clients::rusqlite::{Connection, TransactionBehavior};

    pub fn order(database: &mut Connection, queue: &Queue) -> Result<(), Box<dyn std::error::Error>> {
        let mut transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("INSERT INTO orders (customer) VALUES (?1)", ["Leonie Köhler"])?;
        let order_id = transaction.last_insert_rowid();
        queue.push_in(&mut transaction, CreateInvoice { order_id })?;
        transaction.commit()?;
        Ok(())
    }
}

use crate::programs::{craft, example, program, run};
use crate::support::Folder;

/// As somebody types it in the first minute.
#[test]
fn the_first_program_works_as_it_is_told() {
    let folder = Folder::new();
    let first = |arguments: &[&str]| {
        let said = run(program(&example("first"), &folder, arguments));
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.err);
        said
    };
    first(&["queue:install"]);
    first(&["queue:push", "CreateInvoice", "{\"order_id\": 1}"]);
    first(&["queue:work", "--stop-when-empty"]);
    assert_eq!(std::fs::read_to_string(folder.join("invoices/1.txt")).unwrap(), "Thank you.");
}

fn open(folder: &Folder) -> (craft_queue::Config, Jobs, craft_queue::Queue) {
    let config = craft_queue::Config::sqlite(folder.join("shop.sqlite3"));
    let jobs = || Jobs::new().state(Invoices { folder: folder.join("invoices") }).add::<CreateInvoice>();
    let queue = craft_queue::Queue::open(config.clone(), jobs()).unwrap();
    queue.install().unwrap();
    (config, jobs(), queue)
}

#[test]
fn the_samples_do_what_they_say() {
    let folder = Folder::new();
    let (config, jobs, queue) = open(&folder);
    pushing::take_orders(config.clone(), jobs).unwrap();
    assert!(folder.join("invoices/2.txt").exists(), "the async driver is worked off");
    let sizes = queue.size(None, &["default".into(), "invoices".into()]).unwrap();
    assert_eq!((sizes[0].waiting, sizes[1].delayed), (Some(97), Some(1)));
    working::work(&queue).unwrap();

    let lost = Jobs::new().add::<CreateInvoice>();
    let counted = measuring::open(config, lost).unwrap();
    // It dies of the state that it was not given.
    counted.on("dying").attempts(1).push(CreateInvoice { order_id: 1 }).unwrap();
    counted.worker().on("dying").stop_when_empty().run().unwrap();
    assert_eq!(measuring::DEAD_JOBS.load(std::sync::atomic::Ordering::Relaxed), 1);

    testing::what_is_pushed().unwrap();

    let mut database = rusqlite::Connection::open(folder.join("shop.sqlite3")).unwrap();
    database.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT)").unwrap();
    transactions::order(&mut database, &queue).unwrap();
    assert_eq!(queue.size(None, &["default".into()]).unwrap()[0].waiting, Some(98));
}

/// Whoever copies a configuration needs none of its servers to begin.
#[test]
fn every_configuration_can_be_copied() {
    let configurations = include_str!("../../README.md").split("```toml\n").skip(1);
    let configurations: Vec<_> = configurations.filter_map(|sample| sample.split("```").next()).collect();
    assert!(configurations.len() > 2);
    for sample in configurations.into_iter().filter(|sample| !sample.starts_with("[dependencies]")) {
        let folder = Folder::new();
        std::fs::write(folder.join("queue.toml"), sample).unwrap();
        let is_elsewhere = sample.contains("db.example");
        let mut command = craft(&folder, &[if is_elsewhere { "job:list" } else { "queue:install" }]);
        if is_elsewhere {
            command.env("PASSWORD", "of the shop");
        }
        let said = run(command);
        assert_eq!((said.status, &*said.err), (0, ""), "{sample}");
    }
}

#[test]
fn every_sample_stands_here() {
    let bare = |text: &str| text.split_whitespace().filter(|word| *word != "pub").collect::<String>();
    let here = bare(concat!(include_str!("readme.rs"), include_str!("../../examples/first.rs")));
    for sample in include_str!("../../README.md").split("```rust\n").skip(1) {
        let (sample, _) = sample.split_once("```").expect("a sample ends");
        let missing = sample.lines().find(|line| !here.contains(&bare(line)));
        assert!(here.contains(&bare(sample)), "this sample is not tested, see {missing:?}:\n{sample}");
    }
}
