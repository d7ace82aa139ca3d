//! The async driver with child processes, as a program uses it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use craft_queue::{Config, Event, Jobs, Mode, Queue};

use crate::misbehave::{Die, Nothing};

fn config(workers: usize) -> Config {
    let mut config = Config::new();
    config.default = "async".into();
    config.memory.settings.mode = Mode::Multiprocess;
    config.memory.settings.workers = workers;
    config.memory.settings.failed_table = None;
    config
}

/// 500 jobs of which every tenth kills its child. Says how many ended how.
pub fn deaths(jobs: Jobs) {
    let ends = Arc::new(Mutex::new((0, Vec::new())));
    let told = ends.clone();
    let listener = move |event: &Event<'_>| match event {
        Event::Done(_) => told.lock().unwrap().0 += 1,
        Event::Buried { job, error, .. } => {
            told.lock().unwrap().1.push(format!("{} {error}", job.job.attempt))
        }
        _ => {}
    };
    let mut config = config(4);
    config.memory.settings.attempts = 2;
    let queue = Queue::builder(config, jobs).listener(listener).open().unwrap();
    for number in 0..500 {
        match number % 10 {
            0 => queue.push(Die::Abort).unwrap(),
            _ => queue.push(Nothing).unwrap(),
        };
    }
    let left = queue.close(Duration::from_secs(120)).unwrap();
    let (done, mut failed) = std::mem::take(&mut *ends.lock().unwrap());
    let count = failed.len();
    failed.sort();
    failed.dedup();
    println!("{done} done, {count} failed, {} left, zombies {}: {failed:?}", left.waiting, zombies());
}

/// 300 jobs that end at once, and one that ends when it was told that it begins.
pub fn begins(jobs: Jobs) {
    let counts = Arc::new(Mutex::new((0, 0)));
    let told = counts.clone();
    let listener = move |event: &Event<'_>| match event {
        Event::Began { job, waited } => {
            assert!(waited.is_some());
            told.lock().unwrap().0 += 1;
            if &*job.job.message.name == "Ledger" {
                std::fs::write("begun", "").unwrap();
            }
        }
        Event::Done(_) => told.lock().unwrap().1 += 1,
        _ => {}
    };
    let queue = Queue::builder(config(2), jobs).listener(listener).open().unwrap();
    let ledger = r#"{"file":"ledger","number":1,"until":"begun"}"#;
    (0..200).for_each(|_| drop(queue.push(Nothing).unwrap()));
    queue.options().push_json("Ledger", ledger, 1).unwrap();
    (0..100).for_each(|_| drop(queue.push(Nothing).unwrap()));
    let left = queue.close(Duration::from_secs(120)).unwrap();
    let (begun, done) = *counts.lock().unwrap();
    println!("{begun} begun, {done} done, {} left", left.waiting + left.running);
}

/// Children can be started no more once the first one is there, and that one dies.
pub fn ends(jobs: Jobs) {
    let mut config = config(1);
    config.memory.capacity = 5;
    let queue = Queue::open(config, jobs).unwrap();
    queue.push(Die::Abort).unwrap();
    std::fs::write("no-children", "").unwrap();
    let refused = loop {
        if let Err(error) = queue.push(Nothing) {
            break error;
        }
    };
    println!("{refused}");
    println!("{}", queue.push(Nothing).is_err());
    println!("{}", queue.close(Duration::from_secs(60)).is_err());
}

/// Children of this process that have ended and were not waited for.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_ours = |stat: &String| {
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields[..2] == ["Z", &own]
    };
    stats.filter(is_ours).count()
}
