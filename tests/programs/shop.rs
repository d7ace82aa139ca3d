//! A program that brings more than its jobs: with `SHOP` set, this one does.

use std::io::Write;
use std::process::ExitCode;

use craft_queue::driver::memory::Memory;
use craft_queue::{App, Config, Event, Jobs};

pub fn app(jobs: Jobs) -> App {
    let app = App::new(jobs)
        .name("shop")
        .version("2.1")
        .about("Sells things")
        .driver("shelf", Memory::new())
        .listener(|event| {
            if let Event::Began { job, .. } | Event::Done(job) = event {
                let line = format!("{} {}\n", job.job.message.name, job.took.is_some());
                let heard = std::fs::OpenOptions::new().append(true).create(true).open("heard");
                heard.unwrap().write_all(line.as_bytes()).unwrap();
            }
        })
        .command("orders:import", "Read orders", |call| {
            let [path, count] = call.arguments() else { return Err("which file, and how many?".into()) };
            let payload = std::fs::read_to_string(path)?;
            let pushed = call.queue()?.options().push_json("Nothing", &payload, count.parse()?)?;
            println!("{} of {}", pushed.len(), call.config().default);
            Ok(ExitCode::from(7))
        })
        .command("orders:queue", "Opens the queue", |call| {
            call.queue()?.options().driver("nowhere").push_json("Nothing", "", 1)?;
            Ok(ExitCode::SUCCESS)
        });
    match std::env::var("SHOP").as_deref() {
        Ok("twice") => app.command("queue:work", "Ours", |_| Ok(ExitCode::SUCCESS)),
        Ok("own config") => app.config(Config::sqlite("own.sqlite3")),
        _ => app,
    }
}
