//! What no second try mends, while the worker has something in its hands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake::{Call, Play, Stage, job};
use crate::error::Error;
use crate::event::Event;

const LEASE: Duration = Duration::from_millis(600);

/// The connection breaks when the job is over, and the next `times` are refused.
fn refused(stage: &Stage, times: usize) {
    let mut script = stage.script();
    script.settle.push_back(Box::new(|| Err(Error::unavailable("the server is away"))));
    script.open.push_back(Box::new(|| Ok(())));
    (0..times).for_each(|_| script.open.push_back(Box::new(|| Err(Error::config("wrong password")))));
}

fn with_warnings(play: &mut Play) -> Arc<Mutex<Vec<String>>> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = warnings.clone();
    play.options.lease = LEASE;
    play.options.listener = Some(Arc::new(move |event: &Event<'_>| {
        if let Event::Warning(warning) = event {
            heard.lock().unwrap().push((*warning).to_owned());
        }
    }));
    warnings
}

#[test]
fn it_ends_a_worker_that_holds_a_finished_job_when_the_hold_is_over() {
    let stage = Stage::default();
    stage.find([job(1, "work")]);
    refused(&stage, 100_000);
    let mut play = Play::new(&stage, |_, _| Ok(()));
    let warnings = with_warnings(&mut play);
    let began = Instant::now();
    let error = play.run().unwrap_err();
    assert!(error.is_config(), "{error}");
    assert!(began.elapsed() >= LEASE, "somebody might have mended it");
    let warnings = warnings.lock().unwrap();
    let last = warnings.last().map(String::as_str);
    assert_eq!(last, Some("the outcome of Job #1 could not be written down; it runs again"));
}

#[test]
fn what_is_mended_in_time_is_written_down() {
    let stage = Stage::default();
    stage.find([job(1, "work")]);
    refused(&stage, 3);
    let mut play = Play::new(&stage, |_, _| Ok(()));
    with_warnings(&mut play);
    assert_eq!(play.run().unwrap().done, 1);
}

#[test]
fn what_runs_comes_to_its_end_before() {
    let stage = Stage::default();
    stage.find([job(1, "short"), job(2, "long")]);
    refused(&stage, 100_000);
    let ended = Arc::new(AtomicBool::new(false));
    let (seen, tells) = (stage.clone(), ended.clone());
    let mut play = Play::new(&stage, move |says, _| {
        if says == "long" {
            let opens = |calls: &[Call]| calls.iter().filter(|call| **call == Call::Open).count();
            seen.wait_until("a refusal", |calls| opens(calls) >= 2);
            let first = Instant::now();
            seen.wait_until("refusals for a lease", |calls| opens(calls) >= 4 && first.elapsed() > LEASE);
            tells.store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    let warnings = with_warnings(&mut play);
    let error = play.run().unwrap_err();
    assert!(error.is_config() && ended.load(Ordering::SeqCst), "{error}");
    assert!(warnings.lock().unwrap().iter().any(|warning| warning.contains("it runs again")));
}
