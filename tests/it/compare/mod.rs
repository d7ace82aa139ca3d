//! What the README says about speed, measured: `bash tests/compare`. These are no tests: they take minutes,
//! want a machine that does nothing else, and assert nothing about time.

mod at_rest;
mod back_ends;
mod memory;
mod programs;
mod speed;

use std::collections::BTreeMap;
use std::process::Command;

use self::back_ends::BackEnd;

/// The bare clients and the bench take turns so often; what counts is the middle figure.
const ROUNDS: usize = 3;

/// The figures of one run, by workload and threads.
type Figures = BTreeMap<(String, u64), Figure>;

type Figure = serde_json::Map<String, serde_json::Value>;

/// Runs a program that prints a figure a line.
fn figures(command: &mut Command) -> Figures {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let mut figures = Figures::new();
    for line in said.lines() {
        let figure: Figure = serde_json::from_str(line).unwrap();
        let key = (figure["workload"].as_str().unwrap().to_owned(), figure["threads"].as_u64().unwrap());
        figures.insert(key, figure);
    }
    figures
}

/// The figure in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A row of a Markdown table.
fn row<'a>(cells: impl IntoIterator<Item = &'a str>) {
    println!("| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "));
}

/// Prints a table's heading, and where it was measured, and says what shall be in it.
fn chosen(columns: &[&str]) -> Vec<BackEnd> {
    println!("\nMeasured {}:\n", where_and_when());
    row(columns.iter().copied());
    row(columns.iter().map(|_| "---"));
    BackEnd::all().into_iter().filter(|back_end| is_wanted(back_end.name)).collect()
}

/// Whether `COMPARE` names this, or nothing.
fn is_wanted(name: &str) -> bool {
    let wanted = std::env::var("COMPARE").unwrap_or_default();
    wanted.is_empty() || wanted.split(' ').any(|word| word == name)
}

fn where_and_when() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("?");
    let cores = std::thread::available_parallelism().unwrap();
    let build = if cfg!(debug_assertions) { ", a DEBUG build, which says nothing" } else { "" };
    format!("on {}, with {cores} cores of {processor}{build}", said("date", &["-u", "+%F"]))
}
