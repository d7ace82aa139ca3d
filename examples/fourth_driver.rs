//! A driver of one's own in one file: jobs are files in a folder, and the name of a file is its row.
//!
//!     cargo run --example fourth_driver [--features conformance]
//!
//! A file holds what was pushed and never changes. All that changes stands in its name, so that every
//! step of a job is one rename: it happens whole or not at all, and of two workers that rename the same
//! file one finds that it is gone. The folder may be shared by many processes; it suits some hundred jobs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use craft_queue::driver::{
    Backend, Bell, Driver, Receipt, Reserved, Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use craft_queue::{
    Config, Context, Error, JobId, JobResult, Jobs, Message, Pushed, Queue, Queueable, Result,
};
use serde::{Deserialize, Serialize};

/// A folder of jobs.
#[derive(Clone)]
struct Files(PathBuf);

impl Backend for Files {
    fn open(&self, _: Bell) -> Result<Box<dyn Driver>> {
        fs::create_dir_all(&self.0).map_err(failed)?;
        Ok(Box::new(self.clone()))
    }

    fn describe(&self) -> String {
        format!("files in {}", self.0.display())
    }
}

/// A job, as the name of its file tells it. Times are nanoseconds since 1970.
#[derive(Clone)]
struct Row {
    due: u64,
    uuid: String,
    attempts: u32,
    suspect: bool,
    /// 0 where its name was never unknown.
    unknown_since: u64,
    /// 0 where nobody holds it.
    token: u64,
    lease_ends: u64,
}

impl Row {
    fn file_name(&self) -> String {
        let Self { due, uuid, attempts, suspect, unknown_since, token, lease_ends } = self;
        format!("{due}_{uuid}_{attempts}_{suspect}_{unknown_since}_{token}_{lease_ends}.job")
    }

    fn parse(file_name: &str) -> Option<Self> {
        let mut parts = file_name.strip_suffix(".job")?.split('_');
        Some(Self {
            due: parts.next()?.parse().ok()?,
            uuid: parts.next()?.to_owned(),
            attempts: parts.next()?.parse().ok()?,
            suspect: parts.next()?.parse().ok()?,
            unknown_since: parts.next()?.parse().ok()?,
            token: parts.next()?.parse().ok()?,
            lease_ends: parts.next()?.parse().ok()?,
        })
    }

    fn hold(&mut self, until: u64) {
        self.token = fastrand::u64(1..);
        self.lease_ends = until;
    }

    /// A suspect that waits is held by a token that nobody has, so that it does not pass for clean.
    fn give_back(&mut self, after: Duration) {
        self.attempts = self.attempts.saturating_sub(1);
        match self.suspect {
            true => self.hold(now() + nanos(after)),
            false => self.wait(if after.is_zero() { self.due } else { now() + nanos(after) }),
        }
    }

    fn wait(&mut self, due: u64) {
        (self.due, self.token, self.lease_ends) = (due, 0, 0);
    }
}

impl Files {
    /// All rows, what is due first in front.
    fn rows(&self) -> Result<Vec<Row>> {
        let entries = fs::read_dir(&self.0).map_err(failed)?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut rows: Vec<_> = names.filter_map(|name| Row::parse(&name)).collect();
        rows.sort_by_key(|row| row.due);
        Ok(rows)
    }

    /// The rows of some queues with what was pushed, the first queue's in front.
    fn rows_of(&self, queues: &[String]) -> Result<Vec<(Row, Message)>> {
        let of_queue = |row: Row| {
            let message = read(&self.0.join(row.file_name()), &row.uuid)?;
            let place = queues.iter().position(|queue| **queue == *message.queue);
            place.or(queues.is_empty().then_some(0)).map(|place| (place, row, message))
        };
        let mut rows: Vec<_> = self.rows()?.into_iter().filter_map(of_queue).collect();
        rows.sort_by_key(|(place, ..)| *place);
        Ok(rows.into_iter().map(|(_, row, message)| (row, message)).collect())
    }

    fn held(&self, receipt: Receipt) -> Result<Option<Row>> {
        Ok(self.rows()?.into_iter().find(|row| row.token == receipt.0))
    }

    /// Changes a row; false when somebody else has changed it meanwhile.
    fn rename(&self, from: &Row, to: &Row) -> Result<bool> {
        unless_gone(fs::rename(self.0.join(from.file_name()), self.0.join(to.file_name())))
    }

    fn remove(&self, row: &Row) -> Result<bool> {
        unless_gone(fs::remove_file(self.0.join(row.file_name())))
    }
}

impl Driver for Files {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        let known = self.rows()?;
        let mut pushed: Vec<Pushed> = Vec::with_capacity(messages.len());
        for (place, message) in messages.iter().enumerate() {
            if message.unique_key.is_some() || message.priority > 0 {
                return Err(Error::unsupported("files know no unique keys and no priorities"));
            }
            let id = JobId::Text(message.uuid.clone());
            let is_known = known.iter().any(|row| *row.uuid == *message.uuid);
            if !is_known && pushed.iter().all(|before| *before.id() != id) {
                // A nanosecond apart, so that they keep their order.
                let due = now() + nanos(message.delay) + place as u64;
                let uuid = message.uuid.to_string();
                let row =
                    Row { due, uuid, attempts: 0, suspect: false, unknown_since: 0, token: 0, lease_ends: 0 };
                write(&self.0, &row, message).map_err(failed)?;
            }
            pushed.push(Pushed::Added(id));
        }
        // The folder too: a pushed job survives a power cut.
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(pushed)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let (start, now) = (Instant::now(), now());
        let mut taken = Taken::default();
        let (mut fresh, mut suspects) = (
            want.fresh,
            match want.suspects {
                Suspects::Take(most) => most,
                Suspects::Ignore | Suspects::Look => 0,
            },
        );
        let mut next = u64::MAX;
        for (row, message) in self.rows_of(want.queues)? {
            let is_held = row.token != 0;
            let (due, left) = if is_held { (row.lease_ends, &mut suspects) } else { (row.due, &mut fresh) };
            next = next.min(due);
            if due > now {
                continue;
            }
            if *left == 0 {
                taken.suspects_due |= is_held && want.suspects != Suspects::Ignore;
                continue;
            }
            let mut ours = row.clone();
            ours.attempts += u32::from(!is_held || row.suspect);
            ours.suspect = is_held;
            ours.hold(now + nanos(want.lease));
            if !self.rename(&row, &ours)? {
                continue;
            }
            *left -= 1;
            let unknown_since = Some(ours.unknown_since).filter(|since| *since > 0);
            taken.jobs.push(Reserved {
                id: JobId::Text(message.uuid.clone()),
                message,
                attempt: ours.attempts,
                suspect: ours.suspect,
                unknown_for: unknown_since.map(|since| Duration::from_nanos(now.saturating_sub(since))),
                last_error: None,
                held_until: start + want.lease,
                receipt: Receipt(ours.token, 0),
            });
        }
        if taken.jobs.is_empty() && next < u64::MAX {
            taken.next_due = Some(Duration::from_nanos(next.saturating_sub(now)));
        }
        Ok(taken)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let mut settlement = Settlement::default();
        for Settled { job, verdict } in settled {
            let was_ours = match self.held(job.receipt)? {
                None => false,
                Some(row) => {
                    let mut next = row.clone();
                    match verdict {
                        Verdict::Done | Verdict::Bury(_) => {}
                        Verdict::Again { after, counted, .. } => {
                            next.attempts -= u32::from(!counted).min(next.attempts);
                            (next.suspect, next.unknown_since) = (false, 0);
                            next.wait(now() + nanos(*after));
                        }
                        Verdict::Unknown { after } => {
                            next.unknown_since =
                                if row.unknown_since > 0 { row.unknown_since } else { now() };
                            next.give_back(*after);
                        }
                        Verdict::Unstarted { after } => next.give_back(*after),
                    }
                    match verdict {
                        Verdict::Done | Verdict::Bury(_) => self.remove(&row)?,
                        _ => self.rename(&row, &next)?,
                    }
                }
            };
            if !was_ours {
                settlement.lost.push(job.receipt);
            }
        }
        Ok(settlement)
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let mut lost = Vec::new();
        for job in held {
            let row = self.held(job.receipt)?;
            let renewed = row.map(|row| {
                let next = Row { lease_ends: now() + nanos(lease), ..row.clone() };
                self.rename(&row, &next)
            });
            if !renewed.transpose()?.unwrap_or(false) {
                lost.push(job.receipt);
            }
        }
        Ok(lost)
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let none = |queue: &str| Size {
            queue: queue.to_owned(),
            waiting: Some(0),
            delayed: Some(0),
            running: Some(0),
            oldest_wait: None,
        };
        let now = now();
        let mut sizes: Vec<_> = queues.iter().map(|queue| none(queue)).collect();
        for (row, message) in self.rows_of(queues)? {
            let place = sizes.iter().position(|size| *size.queue == *message.queue).unwrap_or(sizes.len());
            if place == sizes.len() {
                sizes.push(none(&message.queue));
            }
            let size = &mut sizes[place];
            let count = match row.token {
                0 if row.due <= now => &mut size.waiting,
                0 => &mut size.delayed,
                _ => &mut size.running,
            };
            *count = count.map(|count| count + 1);
            if row.token == 0 && row.due <= now {
                size.oldest_wait.get_or_insert(Duration::from_nanos(now - row.due));
            }
        }
        Ok(sizes)
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        let mut removed = 0;
        for (row, _) in self.rows_of(&[queue.to_owned()])? {
            removed += u64::from(row.token == 0 && self.remove(&row)?);
        }
        Ok(removed)
    }
}

/// What a file holds, before the bytes of the payload.
type Header<'a> = (&'a str, &'a str, Option<&'a str>);

/// Writes under a name that is no row's, and then gives it the row's.
fn write(folder: &Path, row: &Row, message: &Message) -> io::Result<()> {
    let header: Header<'_> = (&message.name, &message.queue, message.overrides.as_deref());
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&message.payload);
    let draft = folder.join(format!("{}.draft", row.uuid));
    let mut file = File::create(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(draft, folder.join(row.file_name()))
}

/// `None` where the file has another name by now.
fn read(path: &Path, uuid: &str) -> Option<Message> {
    let bytes = fs::read(path).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (name, queue, overrides): (String, String, Option<String>) =
        serde_json::from_slice(&bytes[..end]).ok()?;
    Some(Message {
        uuid: uuid.into(),
        name: name.into(),
        queue: queue.into(),
        payload: bytes[end + 1..].into(),
        delay: Duration::ZERO,
        priority: 0,
        unique_key: None,
        overrides: overrides.map(Arc::from),
    })
}

fn unless_gone(done: io::Result<()>) -> Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn failed(cause: io::Error) -> Error {
    Error::unavailable("cannot use the folder of jobs").because(&cause)
}

fn now() -> u64 {
    nanos(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Queueable for Greet {
    const NAME: &'static str = "Greet";

    fn handle(&self, job: &Context) -> JobResult {
        println!("Good morning, {}! (job {}, attempt {})", self.name, job.id(), job.attempt());
        Ok(())
    }
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join("craft-queue-fourth-driver");
    let mut config = Config::new();
    config.default = "files".into();
    let jobs = Jobs::new().add::<Greet>();
    let queue = Queue::builder(config, jobs).add_driver("files", Files(folder.join("jobs"))).open()?;
    queue.push_many(["Ada", "Grace", "Edsger"].map(|name| Greet { name: name.into() }))?;
    let report = queue.worker().threads(2).stop_when_empty().run()?;
    println!("{} done, {} failed", report.done, report.failed);
    #[cfg(feature = "conformance")]
    conformance(folder);
    Ok(())
}

/// The contract of a driver, rule by rule.
#[cfg(feature = "conformance")]
fn conformance(folder: PathBuf) {
    use craft_queue::conformance::{Subject, check};
    let fresh = folder.clone();
    let mut subject = Subject::new(move || Files(fresh.join(&*craft_queue::new_uuid())));
    subject.can.unique_keys = false;
    subject.can.priorities = false;
    subject.can.last_errors = false;
    check(&subject);
    println!("It keeps the contract.");
    // Its folders are no longer needed; what is left of them harms nobody.
    let _ = fs::remove_dir_all(folder);
}
