//! A folder from which real workers work on a broker.

use std::collections::BTreeMap;
use std::path::PathBuf;

use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::programs::{Run, Running, ledger, test_jobs};
use crate::servers::rabbitmq::RabbitMq;
use crate::support::Folder;

/// The job of `tests/programs/jobs.rs`, as it is pushed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ledger {
    file: PathBuf,
    number: u64,
    millis: u64,
    until: Option<PathBuf>,
}

impl Queueable for Ledger {
    const NAME: &'static str = "Ledger";

    fn handle(&self, _: &Context) -> JobResult {
        unreachable!("it is pushed here, and run by another program")
    }
}

/// A folder with a queue.toml, and a queue to push to.
pub struct Site {
    pub folder: Folder,
    pub queue: Queue,
    pub vhost: String,
}

impl Site {
    pub fn new() -> Self {
        Self::on(&RabbitMq::shared().vhost())
    }

    pub fn on(url: &str) -> Self {
        Self::with(url, "")
    }

    /// With these lines at the end of its queue.toml.
    pub fn with(url: &str, more: &str) -> Self {
        let (place, vhost) = url.rsplit_once('/').unwrap();
        let (_, host) = place.rsplit_once('@').unwrap();
        Self::at(host, &vhost.replace("%2f", ""), more)
    }

    /// At these hosts, each with its port.
    pub fn at(hosts: &str, vhost: &str, more: &str) -> Self {
        let (folder, vhost) = (Folder::new(), vhost.to_owned());
        let text = format!(
            "default = \"amqp\"\n[amqp]\nhost = \"{hosts}\"\nvhost = \"{vhost}\"\npoll = 0.05\n{more}"
        );
        std::fs::write(folder.join("queue.toml"), text).unwrap();
        let config = Config::load_from(folder.join("queue.toml")).unwrap();
        let queue = Queue::open(config, Jobs::new()).unwrap();
        Self { folder, queue, vhost }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    pub fn job(&self, number: u64) -> Ledger {
        Ledger { file: self.file(), number, millis: 0, until: None }
    }

    pub fn push(&self, numbers: std::ops::Range<u64>, millis: u64, until: Option<PathBuf>) {
        let job = |number| Ledger { millis, until: until.clone(), ..self.job(number) };
        self.queue.push_many(numbers.map(job)).unwrap();
    }

    pub fn worker(&self, more: &[&str]) -> Running {
        let mut arguments = vec!["queue:work"];
        arguments.extend(more);
        Running::start(test_jobs(&self.folder, &arguments))
    }

    pub fn runs(&self) -> BTreeMap<u64, Vec<Run>> {
        ledger(&self.file())
    }

    pub fn ends(&self) -> usize {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("end")).count()
    }

    /// How many jobs ran to an end at least once.
    pub fn done(&self) -> usize {
        self.runs().values().filter(|runs| runs.iter().any(|run| run.end.is_some())).count()
    }

    pub fn waiting(&self) -> u64 {
        self.queue.size(None, &["default".into()]).unwrap()[0].waiting.unwrap()
    }

    pub fn failed(&self) -> Vec<craft_queue::failed::FailedJob> {
        self.queue.failed().list(&Default::default()).unwrap()
    }

    /// Queues that have jobs, whoever holds those.
    pub fn what_is_left(&self) -> Vec<String> {
        let lines = RabbitMq::shared().rabbitmqctl(&["list_queues", "-p", &self.vhost, "name", "messages"]);
        let of_ours = |line: &&str| {
            line.starts_with("craft-queue.starts\t") || line.starts_with("craft-queue.running\t")
        };
        let is_left = |line: &&str| !line.ends_with("\t0") && !of_ours(line);
        lines.lines().skip(1).filter(is_left).map(str::to_owned).collect()
    }
}
