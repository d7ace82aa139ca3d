//! The chapter's story on real orders: push, work, fail, look, mend, retry.
//!
//!     cargo run --example invoices [-- ORDERS.csv OUT_DIR]
//!
//! Reads order lines, pushes one `CreateInvoice` per order onto the queue `invoices`, which lies in an
//! SQLite file in OUT_DIR, and works it off with four threads. Without arguments it takes
//! `examples/orders.csv`, in which one order is spoiled, and writes to `target/invoices`.
//!
//! It ends with exit code 0 when every order has its invoice, and with 1 when something is left for you.

mod columns;
mod document;
mod job;
mod money;
mod order;
mod orders;
mod progress;
mod records;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use craft_queue::failed::{FailedJob, Filter};
use craft_queue::{Config, Error, JobId, Jobs, Queue, Result, Retried, Retry};

use crate::job::{CreateInvoice, Shop};
use crate::orders::Orders;
use crate::progress::Progress;

const ORDERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orders.csv");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/invoices");

const QUEUE: &str = "invoices";
const THREADS: usize = 4;

/// How many complaints or failed jobs are listed before the rest is only counted.
const LISTED: usize = 20;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("  help: {help}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells the whole story; true when every order has its invoice.
fn run() -> Result<bool> {
    let (file, folder) = arguments()?;
    let Orders { orders, lines, complaints, lost_lines, has_totals } = orders::read(&file)?;
    println!("{} in {} of {}", count(orders.len(), "order"), count(lines, "line"), shown(&file));
    list(&complaints, |wrong| println!("  {wrong}"));
    if !has_totals {
        println!("  There is no column \"{}\": nothing to check the sums against.", columns::TOTAL[0]);
    }

    let ids: Vec<_> = orders.iter().map(|order| order.id.clone()).collect();
    let shop = Arc::new(Shop::new(folder.clone(), orders));
    let queue = open(&folder, shop.clone())?;

    let start = Instant::now();
    queue.on(QUEUE).push_many(ids.iter().map(|id| CreateInvoice { order_id: id.clone() }))?;
    let took = craft_queue::time::format_duration(start.elapsed());
    println!("{} CreateInvoice pushed onto \"{QUEUE}\" in {took}\n", ids.len());

    work(&queue)?;
    retry(&queue, &shop)?;

    let missing: Vec<_> = ids.iter().filter(|id| !shop.is_invoiced(id)).collect();
    let made = ids.len() - missing.len();
    println!("\n{made} of {} in {}", count(ids.len(), "invoice"), shown(&folder));
    if let Some(last) = ids.iter().rfind(|id| shop.is_invoiced(id)) {
        println!("Look at {}", shown(&document::path(&folder, last)));
    }
    if lost_lines > 0 {
        println!("{} left out: they tell no order", count(lost_lines, "line"));
    }
    if !missing.is_empty() {
        println!("Without an invoice: correct these in {} and run again", shown(&file));
        list(&missing, |id| println!("  order {id}"));
    }
    Ok(missing.is_empty() && lost_lines == 0)
}

fn arguments() -> Result<(PathBuf, PathBuf)> {
    let mut given = std::env::args_os().skip(1);
    let file = given.next().map_or_else(|| ORDERS.into(), PathBuf::from);
    let folder = given.next().map_or_else(|| FOLDER.into(), PathBuf::from);
    match given.next() {
        None => Ok((file, folder)),
        Some(_) => Err(Error::invalid("too many arguments")
            .with_help("cargo run --example invoices [-- ORDERS.csv OUT_DIR]")),
    }
}

fn open(folder: &Path, shop: Arc<Shop>) -> Result<Queue> {
    std::fs::create_dir_all(folder)
        .map_err(|cause| Error::other(format!("cannot make {}", folder.display())).because(&cause))?;
    let jobs = Jobs::new().state(shop).add::<CreateInvoice>();
    let queue = Queue::open(Config::sqlite(folder.join("queue.sqlite3")), jobs)?;
    queue.install()?;
    // Every order is pushed anew; what an earlier run left is not needed.
    queue.clear(None, QUEUE)?;
    queue.failed().prune(Duration::ZERO)?;
    Ok(queue)
}

/// Works until nothing waits any more, and no failed attempt is still to be repeated.
fn work(queue: &Queue) -> Result<()> {
    let progress = Arc::new(Progress::start());
    let heard = progress.clone();
    let worker = queue.worker().on(QUEUE).threads(THREADS).stop_when_empty();
    let report = worker.listener(move |event| heard.hear(event)).run()?;
    println!("  {} done, {} failed{}", report.done, report.failed, progress.pace(THREADS));
    Ok(())
}

/// Shows the failed jobs, mends the orders that can be, and has those jobs run again.
fn retry(queue: &Queue, shop: &Shop) -> Result<()> {
    let failed = queue.failed().list(&Filter::default())?;
    if failed.is_empty() {
        return Ok(());
    }
    println!("\nFailed jobs");
    list(&failed, |failed| {
        println!("  #{} {} {} after {} attempts", failed.id, failed.name, failed.payload, failed.attempts);
        println!("     {}", failed.exception);
    });
    let ids: Vec<JobId> = failed.into_iter().filter(|failed| mend(failed, shop)).map(|it| it.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    println!("\nRetry");
    let mut lines = Vec::new();
    queue.failed().retry(&Retry { ids, ..Retry::default() }, |retried| lines.push(told(&retried)))?;
    list(&lines, |line| println!("  {line}"));
    work(queue)
}

fn told(retried: &Retried) -> String {
    match retried {
        Retried::Back { failed, queue, .. } => format!("#{} is back on \"{queue}\"", failed.id),
        Retried::Kept { failed, holder } => format!("#{} stays: job {holder} has its unique key", failed.id),
        Retried::Refused { failed, why } => format!("#{} stays: {why}", failed.id),
        Retried::Taken(failed) => format!("#{} is being retried by somebody else", failed.id),
        Retried::Unknown(id) => format!("#{id} is gone"),
    }
}

fn mend(failed: &FailedJob, shop: &Shop) -> bool {
    let job: Option<CreateInvoice> = serde_json::from_str(&failed.payload).ok();
    let Some(mut order) = job.and_then(|job| shop.order(&job.order_id)) else { return false };
    let Some(mend) = order.mend() else { return false };
    println!(
        "  mended order {}: on line {} the quantity is {}, not {}",
        order.id, mend.line, mend.to, mend.from
    );
    shop.save(order);
    true
}

fn list<T>(items: &[T], show: impl Fn(&T)) {
    items.iter().take(LISTED).for_each(show);
    if items.len() > LISTED {
        println!("  and {} more", items.len() - LISTED);
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// A path as one would type it here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
