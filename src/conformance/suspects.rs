//! A job whose hold was lost comes back as a suspect: charged only if it was one already.

use super::fixture::{Fixture, LONG};
use super::handle::{Handle, again, again_uncounted, names, unknown, unstarted};
use crate::driver::{Reserved, Suspects, Taken, Verdict, Want};

/// A reserve of clean jobs that does this about suspects.
fn reserve(fixture: &Fixture<'_>, handle: &mut Handle<'_>, fresh: usize, suspects: Suspects) -> Taken {
    let queues = [fixture.queue.clone()];
    handle.reserve(&Want { queues: &queues, fresh, suspects, lease: LONG })
}

/// A suspect in the hands of a second worker.
fn suspect(fixture: &Fixture<'_>, handle: &mut Handle<'_>) -> Reserved {
    handle.add(fixture.job("a"));
    handle.take_briefly(1);
    handle.lose();
    handle.take_suspects(1).remove(0)
}

pub(super) fn a_lost_job_comes_back_as_a_suspect_with_its_attempt_unchanged(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a", "b"]);
    let lost = one.take_briefly(2);
    one.lose();
    let suspects = two.take_suspects(2);
    for suspect in &suspects {
        assert!(suspect.suspect, "it is called a suspect");
        assert_eq!(suspect.attempt, 1, "the first loss is not charged");
        assert!(lost.iter().any(|job| job.message.uuid == suspect.message.uuid), "it is one of the lost");
    }
    two.finds_nothing();
}

pub(super) fn a_suspect_that_is_lost_again_is_charged(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take_briefly(1);
    handle.lose();
    for attempt in [1, 2] {
        let suspect = handle.take_suspects_briefly(1).remove(0);
        assert_eq!((suspect.attempt, suspect.suspect), (attempt, true));
        handle.lose();
    }
    assert_eq!(handle.take_suspects(1)[0].attempt, 3, "and again");
}

pub(super) fn a_suspect_that_was_taken_uncharged_is_not_charged_when_it_is_lost(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take_briefly(1);
    handle.lose();
    let suspect = handle.take_uncharged_briefly(1).remove(0);
    assert_eq!((suspect.attempt, suspect.suspect), (1, true));
    handle.lose();
    // Where it runs alone it is a suspect like any other.
    for attempt in [1, 2] {
        let suspect = handle.take_suspects_briefly(1).remove(0);
        assert_eq!((suspect.attempt, suspect.suspect), (attempt, true));
        handle.lose();
    }
}

pub(super) fn a_suspect_that_was_lost_uncharged_is_left_for_a_worker_that_runs_it_alone(
    fixture: &Fixture<'_>,
) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    handle.take_briefly(1);
    handle.lose();
    handle.take_uncharged_briefly(1);
    handle.lose();
    handle.take_briefly(1);
    handle.lose();
    let first = handle.take_uncharged(1).remove(0);
    assert_eq!(&*first.message.name, "b", "it was lost once");
    fixture.wait_for("word of the one that is left", || {
        let taken = reserve(fixture, &mut handle, 0, Suspects::TakeUncharged(9));
        assert!(taken.jobs.is_empty(), "it is to run alone");
        taken.suspects_due.then_some(())
    });
    let alone = handle.take_suspects(1).remove(0);
    assert_eq!((&*alone.message.name, alone.attempt), ("a", 1));
}

pub(super) fn a_suspect_that_was_charged_is_left_for_a_worker_that_runs_it_alone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take_briefly(1);
    handle.lose();
    handle.take_suspects_briefly(1);
    handle.lose();
    fixture.wait_for("word of it", || {
        let taken = reserve(fixture, &mut handle, 0, Suspects::TakeUncharged(9));
        assert!(taken.jobs.is_empty(), "it is to run alone");
        taken.suspects_due.then_some(())
    });
    assert_eq!(handle.take_suspects(1)[0].attempt, 2);
}

pub(super) fn suspects_are_not_taken_where_they_are_ignored(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["suspect"]);
    handle.take_briefly(1);
    handle.lose();
    handle.add_each(&["clean"]);
    let taken = reserve(fixture, &mut handle, 9, Suspects::Ignore);
    assert!(!taken.suspects_due, "it did not look");
    assert!(!names(&taken.jobs).contains(&"suspect"), "it was not asked for suspects");
    handle.take_suspects(1);
}

pub(super) fn a_look_tells_of_suspects_and_takes_none(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    assert!(!reserve(fixture, &mut handle, 0, Suspects::Look).suspects_due, "a clean job is no suspect");
    handle.take_briefly(1);
    handle.lose();
    fixture.wait_for("word of a suspect", || {
        let taken = reserve(fixture, &mut handle, 9, Suspects::Look);
        assert!(taken.jobs.is_empty(), "a look takes no suspect");
        taken.suspects_due.then_some(())
    });
    handle.take_suspects(1);
    assert!(!reserve(fixture, &mut handle, 9, Suspects::Look).suspects_due, "it is held now");
}

pub(super) fn no_more_suspects_are_taken_than_asked_for(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c"]);
    handle.take_briefly(3);
    handle.lose();
    let mut taken = 0;
    fixture.wait_for("three suspects, one by one", || {
        let found = reserve(fixture, &mut handle, 0, Suspects::Take(1));
        assert!(found.jobs.len() <= 1, "asked for 1 suspect, it took {}", found.jobs.len());
        taken += found.jobs.len();
        let more = !found.jobs.is_empty() && taken < 3;
        // Where connections decide, suspects may still be on their way.
        let surely_due = fixture.can().leases;
        assert!(!more || !surely_due || found.suspects_due, "{taken} of 3 taken: more are due");
        assert!(taken < 3 || !found.suspects_due, "all are taken: none is due");
        (taken == 3).then_some(())
    });
    let none = reserve(fixture, &mut handle, 9, Suspects::Take(0));
    assert!(none.jobs.is_empty() && !none.suspects_due);
}

pub(super) fn suspects_do_not_count_as_fresh(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["suspect"]);
    handle.take_briefly(1);
    handle.lose();
    handle.add_each(&["clean", "clean"]);
    let mut clean = 0;
    let mut suspects = 0;
    fixture.wait_for("a suspect and two clean jobs", || {
        for job in reserve(fixture, &mut handle, 2 - clean, Suspects::Take(1)).jobs {
            assert_eq!(&*job.message.name, if job.suspect { "suspect" } else { "clean" });
            *(if job.suspect { &mut suspects } else { &mut clean }) += 1;
        }
        (suspects == 1 && clean == 2).then_some(())
    });
}

pub(super) fn suspects_of_other_queues_are_left_alone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take_briefly(1);
    handle.lose();
    let queues = [fixture.other_queue.clone()];
    let taken = handle.reserve(&Want { queues: &queues, fresh: 1, suspects: Suspects::Take(9), lease: LONG });
    assert!(taken.jobs.is_empty() && !taken.suspects_due, "{taken:?}");
    handle.take_suspects(1);
}

pub(super) fn a_suspect_given_back_unstarted_stays_one(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, unstarted());
    stays_a_suspect(fixture, &mut handle, &job);
}

pub(super) fn a_suspect_with_an_unknown_name_stays_one(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, unknown());
    let again = stays_a_suspect(fixture, &mut handle, &job);
    assert!(again.unknown_for.is_some(), "that its name is unknown is remembered");
}

pub(super) fn a_suspect_that_was_taken_uncharged_and_given_back_is_as_it_was(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take_briefly(1);
    handle.lose();
    for verdict in [unstarted(), unknown(), unstarted()] {
        let job = handle.take_uncharged(1).remove(0);
        assert_eq!((job.attempt, job.suspect), (1, true));
        handle.settle(&job, verdict);
        let taken = reserve(fixture, &mut handle, 9, Suspects::Ignore);
        assert!(taken.jobs.is_empty(), "it is not given out as a clean job");
    }
    let job = handle.take_suspects(1).remove(0);
    assert_eq!((job.attempt, job.suspect), (1, true));
}

/// It did not run, so the giving back and the taking leave its attempt as it was.
fn stays_a_suspect(fixture: &Fixture<'_>, handle: &mut Handle<'_>, job: &Reserved) -> Reserved {
    let taken = reserve(fixture, handle, 9, Suspects::Ignore);
    assert!(taken.jobs.is_empty(), "it is not given out as a clean job");
    let again = handle.take_suspects(1).remove(0);
    assert_eq!((again.attempt, again.suspect), (job.attempt, true));
    handle.settle_too_late(job, Verdict::Done);
    again
}

pub(super) fn a_suspect_given_back_with_a_delay_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, Verdict::Unstarted { after: LONG });
    handle.finds_nothing();
    handle.settle_too_late(&job, Verdict::Done);
}

pub(super) fn a_suspect_that_ran_and_survived_is_clean(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, again());
    let clean = handle.take_one();
    assert_eq!((clean.attempt, clean.suspect), (2, false));
    handle.settle(&clean, Verdict::Done);
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, again_uncounted());
    let clean = handle.take_one();
    assert_eq!((clean.attempt, clean.suspect), (1, false));
}

pub(super) fn a_suspect_that_is_done_is_gone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = suspect(fixture, &mut handle);
    handle.settle(&job, Verdict::Done);
    handle.finds_nothing();
}
