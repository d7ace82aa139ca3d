//! What this machine can do: `cargo run --release --example bench [-- sqlite|async [JOBS]]`.
//!
//! Prints one JSON object a line, as `craft queue:bench --json` does. The SQLite file lies in a folder of
//! its own in the system's temporary folder, which is removed afterwards.

use craft_queue::bench::Bench;
use craft_queue::{Config, Durability, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let backends = match arguments.next() {
        Some(backend) => vec![backend],
        None => vec!["sqlite".to_owned(), "sqlite-normal".to_owned(), "async".to_owned()],
    };
    let jobs: Option<usize> = arguments.next().and_then(|jobs| jobs.parse().ok());
    let folder = std::env::temp_dir().join(format!("craft-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|cause| craft_queue::Error::other(cause.to_string()))?;
    let measured = backends.iter().try_for_each(|backend| {
        let mut config = Config::sqlite(folder.join("bench.sqlite3"));
        if backend == "async" {
            config.default = "async".into();
        }
        if backend == "sqlite-normal" {
            config.database.durability = Durability::Normal;
        }
        let mut bench = Bench::new(config);
        bench.jobs = jobs.unwrap_or(if backend == "async" { 2_000_000 } else { 100_000 });
        bench.backlog = 500_000;
        eprintln!("{}", bench.settings());
        bench.run(|figure| {
            eprintln!("{}", figure.line());
            match serde_json::to_string(&figure) {
                Ok(json) => println!("{json}"),
                Err(cause) => eprintln!("{cause}"),
            }
        })
    });
    let _ = std::fs::remove_dir_all(&folder);
    measured
}
