//! Figures, beside those of `limits amqp`. Run alone:
//! `AMQP_PORT=5672 cargo test --release --features conformance --test it amqp::bench -- --ignored --nocapture --test-threads 1`

use std::time::Instant;

use craft_queue::driver::{Driver, Settled, Suspects, Verdict};

use super::support::*;

const PAYLOAD: &str = r#"{"order_id": 123456, "customer": "somebody", "lines": [1, 2, 3], "note": "about a hundred bytes of JSON"}"#;

fn options() -> craft_queue::driver::amqp::Options {
    match std::env::var("AMQP_PORT") {
        Ok(port) => at(&format!("amqp://guest:guest@127.0.0.1:{port}/%2f")),
        Err(_) => fresh(),
    }
}

fn show(what: &str, count: usize, start: Instant) {
    println!("{what} {:.0} jobs/s", count as f64 / start.elapsed().as_secs_f64());
}

fn push(driver: &mut dyn Driver, total: usize, at_once: usize) {
    for _ in 0..total / at_once {
        let messages: Vec<_> = (0..at_once).map(|_| message("craft_bench", PAYLOAD)).collect();
        driver.push(&messages).unwrap();
    }
}

fn drain(driver: &mut dyn Driver, total: usize, ahead: usize) {
    let queues = named("craft_bench");
    let mut settled = 0;
    let mut held = Vec::new();
    while settled < total {
        let verdicts: Vec<_> = held.iter().map(|job| Settled { job, verdict: Verdict::Done }).collect();
        let taken = driver.settle_and_reserve(&verdicts, &want(&queues, ahead, Suspects::Ignore)).unwrap().1;
        settled += held.len();
        held = taken.jobs;
        if held.is_empty() {
            std::thread::yield_now();
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let options = options();
    let mut driver = open(&options);
    driver.clear("craft_bench").unwrap();
    driver.push(&[message("craft_bench", PAYLOAD)]).unwrap();
    for (total, at_once) in [(3_000, 1), (50_000, 16), (50_000, 100), (50_000, 1_000)] {
        let start = Instant::now();
        push(&mut *driver, total, at_once);
        show(&format!("push {at_once} a call"), total, start);
    }
    driver.clear("craft_bench").unwrap();
    for ahead in [10, 100, 500] {
        push(&mut *driver, 50_000, 1_000);
        let start = Instant::now();
        drain(&mut *driver, 50_000, ahead);
        show(&format!("drain {ahead} ahead"), 50_000, start);
    }
    let start = Instant::now();
    let later = |_| delayed("craft_bench", PAYLOAD, std::time::Duration::from_millis(1_875));
    for _ in 0..10 {
        driver.push(&(0..1_000).map(later).collect::<Vec<_>>()).unwrap();
    }
    show("push 1,000 a call, delayed by 1.875 s", 10_000, start);
    drain(&mut *driver, 10_000, 500);
    show("the same, until they are done", 10_000, start);
    driver.clear("craft_bench").unwrap();
}
