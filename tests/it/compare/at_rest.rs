//! What an idle worker costs.

use std::time::{Duration, Instant};

use super::{chosen, row};
use crate::programs::Running;

/// A worker becomes quiet over ten times its poll.
const SETTLE: Duration = Duration::from_secs(12);

const WATCH: Duration = Duration::from_secs(20);

#[test]
#[ignore = "a measurement, run by tests/compare"]
fn at_rest() {
    let columns = ["back end", "resident", "threads", "CPU of a core", "statements a second"];
    for back_end in chosen(&columns) {
        if back_end.name.starts_with("async") || back_end.name == "sqlite-normal" {
            continue;
        }
        let site = back_end.start();
        let installed = site.craft(&["queue:install"]).output().unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let worker = Running::start(site.craft(&["queue:work"]));
        std::thread::sleep(SETTLE);
        let (start, before) = (Instant::now(), (processor_time(worker.id()), site.statements()));
        std::thread::sleep(WATCH);
        let (took, after) = (start.elapsed(), (processor_time(worker.id()), site.statements()));
        let processor = (after.0 - before.0).as_secs_f64() / took.as_secs_f64();
        let statements = before.1.zip(after.1).map(|(before, after)| (after - before) / took.as_secs_f64());
        let resident = format!("{:.1} MB", status(worker.id(), "VmRSS:").unwrap() / 1024.0);
        let threads = status(worker.id(), "Threads:").unwrap().to_string();
        let statements = statements.map_or("–".into(), |count| format!("{count:.1}"));
        row([back_end.title, &resident, &threads, &format!("{:.2} %", processor * 100.0), &statements]);
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
}

/// A number in `/proc/…/status`; of memory it is in KiB. `None` once the process has ended.
pub fn status(process: u32, key: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What it has had of the processor, of all its threads.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The fields after the name, which may hold spaces: utime and stime are the 14th and the 15th.
    let fields: Vec<u64> =
        stat.rsplit_once(')').unwrap().1.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    // In ticks, of which Linux shows 100 a second to programs.
    Duration::from_millis((fields[11] + fields[12]) * 10)
}
