//! The schedule as tables: for which action a worker wakes, and how events move that moment. Nothing sleeps here.

use std::time::{Duration, Instant};

use crate::worker::schedule::{Action, Facts, Looked, Schedule};

const POLL: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(60);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A worker that waits for jobs.
const IDLE: Facts = Facts {
    reconnect_at: None,
    busy: false,
    idle: true,
    unsettled: false,
    write_failed_at: None,
    retry_locked_at: None,
    may_take: true,
    runs_alone: false,
    suspect_at: None,
    may_come_back: false,
    obeys: true,
    tell_unknown_at: None,
    has_memory_limit: false,
    ends_at: None,
    deadline: None,
};

/// A worker all of whose slots run jobs.
const BUSY: Facts = Facts { busy: true, idle: false, may_take: false, ..IDLE };

fn found_nothing(at: Instant) -> Looked {
    Looked { began: at, ended: at, found: 0, next_due: None, empty: true, again: false }
}

/// A schedule that has just done everything, ten minutes after its last job.
fn quiet(now: Instant) -> Schedule {
    let mut schedule = Schedule::new(now - Duration::from_secs(600), POLL, LEASE);
    schedule.extends(now);
    schedule.read_control(now, ms(0));
    schedule.settled(now, now + ms(1));
    schedule.checked_stall(now, ms(500));
    schedule.looked(&found_nothing(now));
    schedule
}

#[test]
fn why_it_wakes() {
    let now = Instant::now();
    let at = |after: u64| Some(now + ms(after));
    let away = Facts { reconnect_at: at(300), ..IDLE };
    #[rustfmt::skip] // a table
    let table = [
        ("idle: the poll", IDLE, POLL, Some(Action::ReadControl)),
        ("paused: the control flags", Facts { may_take: false, ..IDLE }, POLL, Some(Action::ReadControl)),
        ("stopping and idle", Facts { may_take: false, obeys: false, ..IDLE }, POLL, None),
        ("busy: the jobs that wait for a slot", BUSY, ms(250), Some(Action::CheckStall)),
        ("an outcome rests beside running jobs", Facts { unsettled: true, ..BUSY }, ms(6), Some(Action::Settle)),
        ("an outcome, nothing runs", Facts { unsettled: true, ..IDLE }, ms(0), Some(Action::Settle)),
        ("a failed job rests like an outcome", Facts { write_failed_at: at(0), ..BUSY }, ms(6), Some(Action::WriteFailed)),
        ("a failed job whose store is away", Facts { write_failed_at: at(90), ..BUSY }, ms(90), Some(Action::WriteFailed)),
        ("a locked row", Facts { retry_locked_at: at(100), ..BUSY }, ms(100), Some(Action::RetryLocked)),
        ("room beside running jobs", Facts { may_take: true, ..BUSY }, ms(250), Some(Action::CheckStall)),
        ("a suspect is due, jobs run", Facts { may_take: true, suspect_at: at(100), ..BUSY }, ms(100), Some(Action::Take)),
        ("a suspect runs alone", Facts { may_take: true, runs_alone: true, suspect_at: at(100), ..BUSY }, ms(250), Some(Action::CheckStall)),
        ("away: the next try", away, ms(300), Some(Action::Reconnect)),
        ("away: no outcome", Facts { unsettled: true, write_failed_at: at(0), ..away }, ms(300), Some(Action::Reconnect)),
        ("the time limit", Facts { ends_at: at(40), ..IDLE }, ms(40), Some(Action::End)),
        ("the grace", Facts { deadline: at(40), ..BUSY }, ms(40), Some(Action::Hurry)),
        ("the grace, away", Facts { deadline: at(40), ..away }, ms(40), Some(Action::Hurry)),
        ("the memory limit", Facts { has_memory_limit: true, ..IDLE }, ms(1_000), Some(Action::CheckMemory)),
        ("jobs of unknown names", Facts { tell_unknown_at: at(70), ..IDLE }, ms(70), Some(Action::WarnUnknown)),
    ];
    for (what, facts, after, action) in table {
        let (wakes, why) = quiet(now).wakes_at(now, &facts);
        assert_eq!((wakes - now, why), (after, action), "{what}");
        if let Some(action) = action.filter(|action| *action != Action::CheckMemory) {
            let due = |at| quiet(now).is_due(action, at, &facts);
            assert!(due(wakes), "{what}: it wakes and does nothing");
            assert!(wakes == now || !due(wakes - ms(1)), "{what}: it is due before it wakes");
        }
    }
}

#[test]
fn what_an_event_makes_due() {
    type Event = fn(&mut Schedule, Instant);
    let now = Instant::now();
    let may_come_back = Facts { may_come_back: true, ..BUSY };
    #[rustfmt::skip] // a table
    let table: [(&str, Event, Facts, &[Action]); 12] = [
        ("nothing", |_, _| {}, IDLE, &[]),
        ("a notification", |schedule, now| schedule.notified(now), IDLE, &[Action::Take, Action::ReadControl]),
        ("a notification without room", |schedule, now| schedule.notified(now), BUSY, &[Action::ReadControl]),
        ("a reconnect", |schedule, now| schedule.reconnected(now), IDLE, &[Action::Take, Action::Extend]),
        ("a reconnect with jobs of before", |schedule, now| schedule.reconnected(now), may_come_back, &[Action::Adopt, Action::Extend]),
        ("the connection is gone", |schedule, now| schedule.connection_gone(now), BUSY, &[Action::Extend]),
        ("a worker that ends is idle", |schedule, now| schedule.became_idle(now), IDLE, &[Action::Take]),
        ("a queue is resumed", |schedule, now| schedule.queues_changed(now), IDLE, &[Action::Take]),
        ("a later try", |schedule, now| schedule.put_back(now, ms(50)), IDLE, &[]),
        ("a look that found jobs", |schedule, now| {
            schedule.notified(now);
            schedule.looked(&Looked { found: 3, empty: false, ..found_nothing(now) });
        }, IDLE, &[Action::Take, Action::ReadControl]),
        ("a look that left something out", |schedule, now| {
            schedule.notified(now);
            schedule.looked(&Looked { again: true, ..found_nothing(now) });
        }, IDLE, &[Action::Take, Action::ReadControl]),
        ("a job may be stuck", |schedule, now| schedule.may_be_stuck(Some(now)), BUSY, &[Action::CheckStuck]),
    ];
    let all = [
        Action::Take,
        Action::Adopt,
        Action::ReadControl,
        Action::Extend,
        Action::Settle,
        Action::RetryLocked,
        Action::WriteFailed,
        Action::CheckStall,
        Action::CheckStuck,
    ];
    for (what, event, facts, expected) in table {
        let mut schedule = quiet(now);
        event(&mut schedule, now);
        for action in all {
            let is_due = schedule.is_due(action, now, &facts);
            assert_eq!(is_due, expected.contains(&action), "{what}: {action:?}");
        }
    }
}

#[test]
fn how_long_it_sleeps_after_a_look_that_found_nothing() {
    let now = Instant::now();
    #[rustfmt::skip] // a table: since the last job, due according to the back end, looks in vain before, sleep
    let table = [
        (ms(0), None, 0, ms(1)),
        (ms(100), None, 0, ms(10)),
        (Duration::from_secs(600), None, 0, POLL),
        (Duration::from_secs(600), Some(ms(30)), 0, ms(30)),
        (Duration::from_secs(600), Some(ms(0)), 0, ms(2)),
        (Duration::from_secs(600), Some(ms(0)), 3, ms(16)),
        (Duration::from_secs(600), Some(ms(0)), 30, ms(250)),
    ];
    for (since, next_due, in_vain, expected) in table {
        let mut schedule = Schedule::new(now - since, POLL, LEASE);
        let look = Looked { next_due, empty: false, ..found_nothing(now) };
        (0..=in_vain).for_each(|_| schedule.looked(&look));
        let takes = |at| schedule.is_due(Action::Take, at, &IDLE);
        assert!(
            takes(now + expected) && !takes(now + expected - Duration::from_micros(1)),
            "{look:?} {expected:?}"
        );
    }
}

#[test]
fn a_later_try_of_its_own_is_looked_for_when_it_is_due_and_keeps_it_from_ending() {
    let now = Instant::now();
    let mut schedule = quiet(now);
    assert!(schedule.nothing_is_left());
    schedule.put_back(now, ms(50));
    assert!(!schedule.nothing_is_left());
    assert_eq!(schedule.wakes_at(now, &IDLE), (now + ms(52), Some(Action::Take)));
    schedule.looked(&found_nothing(now + ms(51)));
    assert!(!schedule.nothing_is_left());
    schedule.looked(&found_nothing(now + ms(53)));
    assert!(schedule.nothing_is_left());
}

#[test]
fn how_long_it_rests() {
    let now = Instant::now();
    let unsettled = Facts { unsettled: true, ..BUSY };
    // A settle that took this long, and the rest after it.
    for (took, rest) in
        [(ms(0), ms(0)), (Duration::from_micros(100), Duration::from_micros(900)), (ms(50), ms(5))]
    {
        let mut schedule = quiet(now);
        schedule.settled(now - took, now);
        assert_eq!(schedule.wakes_at(now, &unsettled), (now + rest, Some(Action::Settle)), "after {took:?}");
    }
    // Control flags that took this long to read, and when they are read next.
    for (took, pause) in [(ms(1), POLL), (ms(300), ms(3_000)), (ms(60_000), ms(5_000))] {
        let mut schedule = Schedule::new(now, POLL, LEASE);
        schedule.extends(now);
        schedule.read_control(now, took);
        let due = |at| schedule.is_due(Action::ReadControl, at, &IDLE);
        assert!(due(now + pause) && !due(now + pause - ms(1)), "after {took:?}");
    }
}

#[test]
fn holds_are_renewed_at_a_third_of_the_lease_and_sooner_while_jobs_may_come_back() {
    let now = Instant::now();
    let mut schedule = quiet(now);
    assert_eq!(schedule.extend_at(), now + LEASE / 3);
    schedule.may_come_back(now, now + ms(5_000));
    assert_eq!(schedule.extend_at(), now + ms(5_000));
    schedule.may_come_back(now, now);
    assert_eq!(schedule.extend_at(), now + ms(1_000), "no more often than this");
    schedule.extends(now + ms(10));
    assert_eq!(schedule.extend_at(), now + ms(10) + LEASE / 3);
}
