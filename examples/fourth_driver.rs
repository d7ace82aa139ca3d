//! A driver of one's own in one file: the jobs of a folder are one file of JSON.
//! Each verb locks the folder, reads the file, and puts a changed one in its place: whole or not at all.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use craft_queue::driver::job_state::{Lifecycle, Next};
use craft_queue::driver::{Backend, Driver, Notifier, Receipt, Reserved, Settled, Settlement, Taken, Want};
use craft_queue::{Config, Context, Error, JobId, Jobs, Message, Pushed, Queue, Queueable, Result};
use serde::{Deserialize, Serialize};

/// Keeps the jobs in a file of this folder.
#[derive(Clone)]
pub struct Folder(pub PathBuf);

#[derive(Serialize, Deserialize)]
struct Row {
    message: Message,
    life: Lifecycle<Duration>,
    last_error: Option<String>,
    /// When the hold ends, and the token that proves it; `None` where nobody holds the job.
    hold: Option<(Duration, u64)>,
}

impl Backend for Folder {
    fn open(&self, _: Notifier) -> Result<Box<dyn Driver>> {
        Ok(Box::new(self.clone()))
    }

    fn describe(&self) -> String {
        format!("jobs in {}", self.0.display())
    }
}

impl Folder {
    fn change<T>(&self, work: impl FnOnce(&mut Vec<Row>) -> T) -> Result<T> {
        let locked = || -> std::io::Result<T> {
            fs::create_dir_all(&self.0)?;
            let [path, draft, lock] = ["jobs.json", "draft", "lock"].map(|name| self.0.join(name));
            let lock = File::create(lock)?;
            lock.lock()?;
            let before = if path.exists() { fs::read(&path)? } else { b"[]".to_vec() };
            let mut rows = serde_json::from_slice(&before)?;
            let answer = work(&mut rows);
            let after = serde_json::to_vec(&rows)?;
            if after != before {
                fs::write(&draft, &after)?;
                File::open(&draft)?.sync_all()?;
                fs::rename(draft, path)?;
                File::open(&self.0)?.sync_all()?;
            }
            Ok(answer)
        };
        locked().map_err(|cause| Error::unavailable("cannot use the folder of jobs").because(&cause))
    }
}

fn push(rows: &mut Vec<Row>, message: &Message) -> Pushed {
    let key = message.unique_key.as_deref();
    if rows.iter().all(|row| row.message.uuid != message.uuid) {
        if let Some(row) = rows.iter().find(|row| key.is_some() && row.message.unique_key.as_deref() == key) {
            return Pushed::Duplicate(JobId::Text(row.message.uuid.clone()));
        }
        let life = Lifecycle::new(now(), message.delay);
        rows.push(Row { message: message.clone(), life, last_error: None, hold: None });
    }
    Pushed::Added(JobId::Text(message.uuid.clone()))
}

fn take(row: &mut Row, want: &Want<'_>) -> Reserved {
    let (start, now, is_suspect) = (Instant::now(), now(), row.hold.is_some());
    row.life.take(is_suspect, want.suspects);
    let (id, receipt) = (JobId::Text(row.message.uuid.clone()), Receipt(fastrand::u64(..), 0));
    row.hold = Some((now + want.lease, receipt.0));
    let mut job = Reserved::new(id, row.message.clone(), row.life.attempts, receipt, start + want.lease);
    job.suspect = is_suspect;
    job.unknown_for = row.life.unknown_since.map(|since| now.saturating_sub(since));
    job.last_error = row.last_error.clone();
    job
}

fn held(rows: &mut [Row], receipt: Receipt) -> Option<&mut Row> {
    rows.iter_mut().find(|row| row.hold.is_some_and(|(_, token)| token == receipt.0))
}

impl Driver for Folder {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        self.change(|rows| messages.iter().map(|message| push(rows, message)).collect())
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        self.change(|rows| {
            let (now, mut taken, mut next) = (now(), Taken::default(), None);
            let (mut fresh, mut suspects) = (want.fresh, want.suspects.most());
            let place = |row: &Row| want.queues.iter().position(|queue| **queue == *row.message.queue);
            let mut rows: Vec<_> = rows.iter_mut().filter(|row| place(row).is_some()).collect();
            rows.sort_by_key(|row| (place(row), u8::MAX - row.message.priority, row.life.due));
            for row in rows {
                let (left, looks, ripe) = match row.hold {
                    Some((ends, _)) => (&mut suspects, want.suspects.are_looked_for(), ends),
                    None => (&mut fresh, want.fresh > 0, row.life.due),
                };
                if !looks || ripe > now {
                    next = next.into_iter().chain(looks.then_some(ripe)).min();
                } else if *left == 0
                    || row.hold.is_some() && row.life.runs_alone() && !want.suspects.are_charged()
                {
                    taken.suspects_due |= row.hold.is_some();
                } else {
                    *left -= 1;
                    taken.jobs.push(take(row, want));
                }
            }
            taken.next_due = next.filter(|_| taken.jobs.is_empty()).map(|ripe| ripe - now);
            taken
        })
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.change(|rows| {
            let mut settlement = Settlement::default();
            for Settled { job, verdict } in settled {
                let Some(row) = held(rows, job.receipt) else {
                    settlement.lost.push(job.receipt);
                    continue;
                };
                row.last_error = verdict.error().map(str::to_owned).or(row.last_error.take());
                match row.life.settle(verdict, now()) {
                    Next::Gone => rows.retain(|row| row.message.uuid != job.message.uuid),
                    Next::Waits => row.hold = None,
                    Next::HeldUntil(ends) => row.hold = Some((ends, fastrand::u64(..))),
                }
            }
            settlement
        })
    }

    fn extend(&mut self, jobs: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        self.change(|rows| {
            let mut renew = |by: &Receipt| held(rows, *by).map(|row| row.hold = Some((now() + lease, by.0)));
            jobs.iter().map(|job| job.receipt).filter(|receipt| renew(receipt).is_none()).collect()
        })
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        self.change(|rows| {
            let before = rows.len();
            rows.retain(|row| row.hold.is_some() || *row.message.queue != *queue);
            (before - rows.len()) as u64
        })
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
struct Greet(String);

impl Queueable for Greet {
    const NAME: &'static str = "Greet";

    fn handle(&self, _: &Context) -> craft_queue::JobResult {
        println!("Good morning, {}!", self.0);
        Ok(())
    }
}

fn main() -> Result<()> {
    let folder = Folder(std::env::temp_dir().join("craft-queue-fourth-driver"));
    let mut config = Config::new();
    config.default = "files".into();
    let queue = Queue::builder(config, Jobs::new().add::<Greet>()).add_driver("files", folder).open()?;
    queue.push_many(["Ada", "Grace", "Edsger"].map(|name| Greet(name.into())))?;
    let report = queue.worker().stop_when_empty().run();
    report.map(|report| println!("{} done, {} failed", report.done, report.failed))
}
