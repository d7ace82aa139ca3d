//! A driver of one's own in one file: jobs are files in a folder, and the name of a file is its row.
//!
//!     cargo run --example fourth_driver [--features conformance]
//!
//! A file holds what was pushed and never changes. All that changes stands in its name, so that every
//! step of a job is one rename: it happens whole or not at all, and of two workers that rename the same
//! file one finds that it is gone. The folder may be shared by many processes; it suits some hundred jobs.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use craft_queue::driver::{
    Backend, Driver, Notifier, Receipt, Reserved, Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use craft_queue::{
    Config, Context, Error, JobId, JobResult, Jobs, Message, Pushed, Queue, Queueable, Result,
};
use serde::{Deserialize, Serialize};

/// A folder of jobs.
#[derive(Clone)]
struct Files(PathBuf);

impl Backend for Files {
    fn open(&self, _: Notifier) -> Result<Box<dyn Driver>> {
        fs::create_dir_all(&self.0).map_err(failed)?;
        Ok(Box::new(self.clone()))
    }

    fn describe(&self) -> String {
        format!("files in {}", self.0.display())
    }
}

/// A job, as the name of its file tells it. Times are nanoseconds since 1970; 0 is none.
#[derive(Clone, Default)]
struct Row {
    due: u64,
    uuid: String,
    attempts: u32,
    suspect: bool,
    /// It was last taken by a worker that would not die of it.
    uncharged: bool,
    unknown_since: u64,
    /// Proves the hold; 0 where nobody holds it.
    token: u64,
    lease_ends: u64,
}

impl Row {
    fn file_name(&self) -> String {
        let Self { due, uuid, attempts, suspect, uncharged, unknown_since, token, lease_ends } = self;
        format!("{due}_{uuid}_{attempts}_{suspect}_{uncharged}_{unknown_since}_{token}_{lease_ends}.job")
    }

    fn parse(file_name: &str) -> Option<Self> {
        let parts: Vec<_> = file_name.strip_suffix(".job")?.split('_').collect();
        let [due, uuid, attempts, suspect, uncharged, unknown_since, token, lease_ends] = parts[..] else {
            return None;
        };
        Some(Self {
            due: due.parse().ok()?,
            uuid: uuid.to_owned(),
            attempts: attempts.parse().ok()?,
            suspect: suspect.parse().ok()?,
            uncharged: uncharged.parse().ok()?,
            unknown_since: unknown_since.parse().ok()?,
            token: token.parse().ok()?,
            lease_ends: lease_ends.parse().ok()?,
        })
    }

    /// When it may be taken: a clean one when it is due, a held one when its lease is over.
    fn ripe(&self) -> u64 {
        if self.token == 0 { self.due } else { self.lease_ends }
    }

    fn taken(&self, lease_ends: u64, charged: bool) -> Self {
        let is_held = self.token != 0;
        let attempts = self.attempts + u32::from(!is_held || self.suspect);
        let (suspect, uncharged) = (is_held && charged, is_held && !charged);
        Self { attempts, suspect, uncharged, token: fastrand::u64(1..), lease_ends, ..self.clone() }
    }

    /// `None` where it is gone for good.
    fn settled(&self, verdict: &Verdict) -> Option<Self> {
        match verdict {
            Verdict::Done | Verdict::Bury(_) => None,
            Verdict::Again { after, counted, .. } => Some(Self {
                due: now() + nanos(*after),
                uuid: self.uuid.clone(),
                attempts: self.attempts.saturating_sub(u32::from(!counted)),
                ..Self::default()
            }),
            Verdict::Exhausted { after, attempts, .. } => Some(Self {
                due: now() + nanos(*after),
                uuid: self.uuid.clone(),
                attempts: self.attempts.max(*attempts),
                ..Self::default()
            }),
            Verdict::Unknown { after } => {
                let unknown_since = if self.unknown_since == 0 { now() } else { self.unknown_since };
                Some(Self { unknown_since, ..self.given_back(*after) })
            }
            Verdict::Unstarted { after } => Some(self.given_back(*after)),
        }
    }

    fn given_back(&self, after: Duration) -> Self {
        // An uncharged take of a suspect has counted none.
        let attempts = self.attempts.saturating_sub(u32::from(!self.uncharged));
        let ripe = now() + nanos(after);
        match self.suspect || self.uncharged {
            // It waits under a token that nobody has, or it would pass for clean.
            true => Self {
                attempts,
                uncharged: false,
                token: fastrand::u64(1..),
                lease_ends: ripe,
                ..self.clone()
            },
            false => {
                let due = if after.is_zero() { self.due } else { ripe };
                Self { attempts, due, token: 0, lease_ends: 0, ..self.clone() }
            }
        }
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

    /// The rows of a queue, with what was pushed. A file that has another name by now is left out.
    fn rows_of(&self, queue: &str) -> Result<Vec<(Row, Message)>> {
        let read = |row: Row| Some((read(&self.0.join(row.file_name()), &row.uuid)?, row));
        let rows = self.rows()?.into_iter().filter_map(read);
        Ok(rows
            .filter(|(message, _)| *message.queue == *queue)
            .map(|(message, row)| (row, message))
            .collect())
    }

    /// Renames or removes a row; false when somebody else did meanwhile.
    fn change(&self, row: &Row, next: Option<&Row>) -> Result<bool> {
        let path = |row: &Row| self.0.join(row.file_name());
        let changed = match next {
            Some(next) => fs::rename(path(row), path(next)),
            None => fs::remove_file(path(row)),
        };
        match changed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true).map_err(failed),
        }
    }

    /// Changes the row that is held with this receipt; false when there is none.
    fn change_held(&self, receipt: Receipt, next: impl FnOnce(&Row) -> Option<Row>) -> Result<bool> {
        match self.rows()?.iter().find(|row| row.token == receipt.0) {
            Some(row) => self.change(row, next(row).as_ref()),
            None => Ok(false),
        }
    }
}

impl Driver for Files {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        if messages.iter().any(|message| message.unique_key.is_some() || message.priority > 0) {
            return Err(Error::unsupported("files know no unique keys and no priorities"));
        }
        let mut known: HashSet<_> = self.rows()?.into_iter().map(|row| row.uuid).collect();
        let mut due = now();
        for message in messages.iter().filter(|message| known.insert(message.uuid.to_string())) {
            // A nanosecond apart, so that they keep their order.
            due += 1;
            let uuid = message.uuid.to_string();
            let row = Row { due: due + nanos(message.delay), uuid, ..Row::default() };
            write(&self.0, &row, message).map_err(failed)?;
        }
        // The folder too: a pushed job survives a power cut.
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(messages.iter().map(|message| Pushed::Added(JobId::Text(message.uuid.clone()))).collect())
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let (start, now) = (Instant::now(), now());
        let mut taken = Taken::default();
        let mut next = None;
        let mut fresh = want.fresh;
        let mut suspects = want.suspects.most();
        for queue in want.queues {
            for (row, message) in self.rows_of(queue)? {
                let is_held = row.token != 0;
                if row.ripe() > now {
                    next = Some(next.unwrap_or(u64::MAX).min(row.ripe() - now));
                    continue;
                }
                let left = if is_held { &mut suspects } else { &mut fresh };
                let runs_alone = is_held && (row.suspect || row.uncharged);
                if *left == 0 || runs_alone && !want.suspects.are_charged() {
                    taken.suspects_due |= is_held && want.suspects != Suspects::Ignore;
                    continue;
                }
                let ours = row.taken(now + nanos(want.lease), want.suspects.are_charged());
                if !self.change(&row, Some(&ours))? {
                    continue;
                }
                *left -= 1;
                let unknown_since = Some(ours.unknown_since).filter(|since| *since > 0);
                taken.jobs.push(Reserved {
                    id: JobId::Text(message.uuid.clone()),
                    message,
                    attempt: ours.attempts,
                    suspect: is_held,
                    unknown_for: unknown_since.map(|since| Duration::from_nanos(now.saturating_sub(since))),
                    due_for: None,
                    last_error: None,
                    unreadable: None,
                    held_until: start + want.lease,
                    receipt: Receipt(ours.token, 0),
                });
            }
        }
        taken.next_due = next.filter(|_| taken.jobs.is_empty()).map(Duration::from_nanos);
        Ok(taken)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let mut settlement = Settlement::default();
        for Settled { job, verdict } in settled {
            if !self.change_held(job.receipt, |row| row.settled(verdict))? {
                settlement.lost.push(job.receipt);
            }
        }
        Ok(settlement)
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let mut lost = Vec::new();
        for job in held {
            let renew = |row: &Row| Some(Row { lease_ends: now() + nanos(lease), ..row.clone() });
            if !self.change_held(job.receipt, renew)? {
                lost.push(job.receipt);
            }
        }
        Ok(lost)
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        // Every file would have to be read: `None` says that this is not known.
        let unknown = |queue: &String| Size {
            queue: queue.clone(),
            waiting: None,
            delayed: None,
            running: None,
            oldest_wait: None,
        };
        Ok(queues.iter().map(unknown).collect())
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        let mut removed = 0;
        for (row, _) in self.rows_of(queue)? {
            removed += u64::from(row.token == 0 && self.change(&row, None)?);
        }
        Ok(removed)
    }
}

/// Writes under a name that is no row's, and then gives it the row's.
fn write(folder: &Path, row: &Row, message: &Message) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(&(&*message.name, &*message.queue, message.overrides.as_deref()))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&message.payload);
    let draft = folder.join(format!("{}.draft", row.uuid));
    let mut file = File::create(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(draft, folder.join(row.file_name()))
}

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
        replaces: false,
        overrides: overrides.map(Arc::from),
    })
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
    subject.can.sizes = false;
    check(&subject);
    println!("It keeps the contract.");
    // Its folders are no longer needed; what is left of them harms nobody.
    let _ = fs::remove_dir_all(folder);
}
