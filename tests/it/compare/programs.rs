//! Jobs that are programs, beside threads that only start them.

use std::process::Command;
use std::time::Instant;

use super::{ROUNDS, figures, median, row};
use crate::programs::{craft, example, run};
use crate::support::Folder;

const JOBS: u32 = 2_000;

const CONFIG: &str = "[connections.sqlite]\ndriver = \"sqlite\"\ndatabase = \"jobs.sqlite3\"\n[jobs.True]\ncommand = [\"true\"]\n";

/// Prints a row for each mode, of a worker on SQLite with two slots.
pub fn measure() {
    let modes = ["threading", "multiprocess"];
    let mut bare = Vec::new();
    let mut ours = modes.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        let figures = figures(Command::new(example("limits")).arg("programs"));
        bare.push(figures[&("drain".to_owned(), 2)]["per_second"].as_f64().unwrap());
        for (mode, speeds) in modes.iter().zip(&mut ours) {
            speeds.push(speed(mode));
        }
    }
    for (mode, speeds) in modes.iter().zip(ours) {
        let ratios = speeds.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
        let per_second = |speeds: Vec<f64>| format!("{:.0}/s", median(speeds));
        let what = format!("`true` on SQLite, 2 slots, {mode}");
        let (bare, ours) = (per_second(bare.clone()), per_second(speeds));
        row(["programs", &what, &bare, &ours, &format!("{:.2}", median(ratios)), "0, 0"]);
    }
}

fn speed(mode: &str) -> f64 {
    let folder = Folder::new();
    std::fs::write(folder.join("queue.toml"), CONFIG).unwrap();
    assert_eq!(run(craft(&folder, &["queue:install"])).status, 0);
    assert_eq!(run(craft(&folder, &["queue:push", "True", "--count", &JOBS.to_string()])).status, 0);
    let start = Instant::now();
    let said = run(craft(&folder, &["queue:work", "--workers", "2", "--mode", mode, "--stop-when-empty"]));
    let took = start.elapsed();
    let ended = said.out.lines().filter(|line| line.contains("event=done")).count();
    assert_eq!(ended as u32, JOBS, "{}", said.err);
    f64::from(JOBS) / took.as_secs_f64()
}
