//! Whether a million jobs need more memory than a hundred thousand.

use std::process::Stdio;
use std::time::Duration;

use super::at_rest::status;
use super::{chosen, row};

#[test]
#[ignore = "a measurement, run by tests/compare"]
fn memory() {
    let columns = ["back end", "peak, 100,000 jobs", "peak, 1,000,000 jobs", "lost, doubled"];
    for back_end in chosen(&columns) {
        if back_end.name == "sqlite-normal" {
            continue;
        }
        let site = back_end.start();
        let peak = |jobs: u64| {
            let mut bench =
                site.craft(&["queue:bench", "--json", "--jobs", &jobs.to_string(), "--pickups", "0"]);
            let mut bench = bench.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut peak = 0.0;
            // It keeps its own record of the peak, but only while it lives.
            while bench.try_wait().unwrap().is_none() {
                peak = status(bench.id(), "VmHWM:").unwrap_or(peak);
                std::thread::sleep(Duration::from_millis(20));
            }
            let said = std::io::read_to_string(bench.stdout.take().unwrap()).unwrap();
            assert!(bench.wait().unwrap().success(), "{said}");
            let figures: Vec<serde_json::Value> =
                said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let sum = |key: &str| figures.iter().map(|figure| figure[key].as_u64().unwrap()).sum::<u64>();
            (format!("{:.0} MB", peak / 1024.0), format!("{}, {}", sum("lost"), sum("doubled")))
        };
        let (few, many) = (peak(100_000), peak(1_000_000));
        row([back_end.title, &few.0, &many.0, &many.1]);
    }
}
