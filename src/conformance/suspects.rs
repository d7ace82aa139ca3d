//! A job whose hold was lost comes back as a suspect: charged only if it was one already.

use super::hand::{Hand, again, again_uncounted, names, unknown, unstarted};
use super::stage::{LONG, Stage};
use crate::driver::{Reserved, Suspects, Taken, Verdict, Want};

/// A reserve of clean jobs that does this about suspects.
fn reserve(stage: &Stage<'_>, hand: &mut Hand<'_>, fresh: usize, suspects: Suspects) -> Taken {
    let queues = [stage.queue.clone()];
    hand.reserve(&Want { queues: &queues, fresh, suspects, lease: LONG })
}

/// A suspect in the hands of a second worker.
fn suspect(stage: &Stage<'_>, hand: &mut Hand<'_>) -> Reserved {
    hand.add(stage.job("a"));
    hand.take_briefly(1);
    hand.lose();
    hand.take_suspects(1).remove(0)
}

pub(super) fn a_lost_job_comes_back_as_a_suspect_with_its_attempt_unchanged(stage: &Stage<'_>) {
    let (mut one, mut two) = (stage.hand(), stage.hand());
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

pub(super) fn a_suspect_that_is_lost_again_is_charged(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take_briefly(1);
    hand.lose();
    for attempt in [1, 2] {
        let suspect = hand.take_suspects_briefly(1).remove(0);
        assert_eq!((suspect.attempt, suspect.suspect), (attempt, true));
        hand.lose();
    }
    assert_eq!(hand.take_suspects(1)[0].attempt, 3, "and again");
}

pub(super) fn a_suspect_that_was_taken_uncharged_is_not_charged_when_it_is_lost(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take_briefly(1);
    hand.lose();
    let suspect = hand.take_uncharged_briefly(1).remove(0);
    assert_eq!((suspect.attempt, suspect.suspect), (1, true));
    hand.lose();
    // Where it runs alone it is a suspect like any other.
    for attempt in [1, 2] {
        let suspect = hand.take_suspects_briefly(1).remove(0);
        assert_eq!((suspect.attempt, suspect.suspect), (attempt, true));
        hand.lose();
    }
}

pub(super) fn a_suspect_that_was_lost_uncharged_is_left_for_a_worker_that_runs_it_alone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    hand.take_briefly(1);
    hand.lose();
    hand.take_uncharged_briefly(1);
    hand.lose();
    hand.take_briefly(1);
    hand.lose();
    let first = hand.take_uncharged(1).remove(0);
    assert_eq!(&*first.message.name, "b", "it was lost once");
    stage.wait_for("word of the one that is left", || {
        let taken = reserve(stage, &mut hand, 0, Suspects::TakeUncharged(9));
        assert!(taken.jobs.is_empty(), "it is to run alone");
        taken.suspects_due.then_some(())
    });
    let alone = hand.take_suspects(1).remove(0);
    assert_eq!((&*alone.message.name, alone.attempt), ("a", 1));
}

pub(super) fn a_suspect_that_was_charged_is_left_for_a_worker_that_runs_it_alone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take_briefly(1);
    hand.lose();
    hand.take_suspects_briefly(1);
    hand.lose();
    stage.wait_for("word of it", || {
        let taken = reserve(stage, &mut hand, 0, Suspects::TakeUncharged(9));
        assert!(taken.jobs.is_empty(), "it is to run alone");
        taken.suspects_due.then_some(())
    });
    assert_eq!(hand.take_suspects(1)[0].attempt, 2);
}

pub(super) fn suspects_are_not_taken_where_they_are_ignored(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["suspect"]);
    hand.take_briefly(1);
    hand.lose();
    hand.add_each(&["clean"]);
    let taken = reserve(stage, &mut hand, 9, Suspects::Ignore);
    assert!(!taken.suspects_due, "it did not look");
    assert!(!names(&taken.jobs).contains(&"suspect"), "it was not asked for suspects");
    hand.take_suspects(1);
}

pub(super) fn a_look_tells_of_suspects_and_takes_none(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    assert!(!reserve(stage, &mut hand, 0, Suspects::Look).suspects_due, "a clean job is no suspect");
    hand.take_briefly(1);
    hand.lose();
    stage.wait_for("word of a suspect", || {
        let taken = reserve(stage, &mut hand, 9, Suspects::Look);
        assert!(taken.jobs.is_empty(), "a look takes no suspect");
        taken.suspects_due.then_some(())
    });
    hand.take_suspects(1);
    assert!(!reserve(stage, &mut hand, 9, Suspects::Look).suspects_due, "it is held now");
}

pub(super) fn no_more_suspects_are_taken_than_asked_for(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b", "c"]);
    hand.take_briefly(3);
    hand.lose();
    let mut taken = 0;
    stage.wait_for("three suspects, one by one", || {
        let found = reserve(stage, &mut hand, 0, Suspects::Take(1));
        assert!(found.jobs.len() <= 1, "asked for 1 suspect, it took {}", found.jobs.len());
        taken += found.jobs.len();
        let more = !found.jobs.is_empty() && taken < 3;
        // Where connections decide, suspects may still be on their way.
        let surely_due = stage.can().leases;
        assert!(!more || !surely_due || found.suspects_due, "{taken} of 3 taken: more are due");
        assert!(taken < 3 || !found.suspects_due, "all are taken: none is due");
        (taken == 3).then_some(())
    });
    let none = reserve(stage, &mut hand, 9, Suspects::Take(0));
    assert!(none.jobs.is_empty() && !none.suspects_due);
}

pub(super) fn suspects_do_not_count_as_fresh(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["suspect"]);
    hand.take_briefly(1);
    hand.lose();
    hand.add_each(&["clean", "clean"]);
    let mut clean = 0;
    let mut suspects = 0;
    stage.wait_for("a suspect and two clean jobs", || {
        for job in reserve(stage, &mut hand, 2 - clean, Suspects::Take(1)).jobs {
            assert_eq!(&*job.message.name, if job.suspect { "suspect" } else { "clean" });
            *(if job.suspect { &mut suspects } else { &mut clean }) += 1;
        }
        (suspects == 1 && clean == 2).then_some(())
    });
}

pub(super) fn suspects_of_other_queues_are_left_alone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take_briefly(1);
    hand.lose();
    let queues = [stage.other_queue.clone()];
    let taken = hand.reserve(&Want { queues: &queues, fresh: 1, suspects: Suspects::Take(9), lease: LONG });
    assert!(taken.jobs.is_empty() && !taken.suspects_due, "{taken:?}");
    hand.take_suspects(1);
}

pub(super) fn a_suspect_given_back_unstarted_stays_one(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let job = suspect(stage, &mut hand);
    hand.settle(&job, unstarted());
    stays_a_suspect(stage, &mut hand, &job);
}

pub(super) fn a_suspect_with_an_unknown_name_stays_one(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let job = suspect(stage, &mut hand);
    hand.settle(&job, unknown());
    let again = stays_a_suspect(stage, &mut hand, &job);
    assert!(again.unknown_for.is_some(), "that its name is unknown is remembered");
}

pub(super) fn a_suspect_that_was_taken_uncharged_and_given_back_is_as_it_was(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take_briefly(1);
    hand.lose();
    for verdict in [unstarted(), unknown(), unstarted()] {
        let job = hand.take_uncharged(1).remove(0);
        assert_eq!((job.attempt, job.suspect), (1, true));
        hand.settle(&job, verdict);
        let taken = reserve(stage, &mut hand, 9, Suspects::Ignore);
        assert!(taken.jobs.is_empty(), "it is not given out as a clean job");
    }
    let job = hand.take_suspects(1).remove(0);
    assert_eq!((job.attempt, job.suspect), (1, true));
}

/// It did not run, so the giving back and the taking leave its attempt as it was.
fn stays_a_suspect(stage: &Stage<'_>, hand: &mut Hand<'_>, job: &Reserved) -> Reserved {
    let taken = reserve(stage, hand, 9, Suspects::Ignore);
    assert!(taken.jobs.is_empty(), "it is not given out as a clean job");
    let again = hand.take_suspects(1).remove(0);
    assert_eq!((again.attempt, again.suspect), (job.attempt, true));
    hand.settle_too_late(job, Verdict::Done);
    again
}

pub(super) fn a_suspect_given_back_with_a_delay_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let job = suspect(stage, &mut hand);
    hand.settle(&job, Verdict::Unstarted { after: LONG });
    hand.finds_nothing();
    hand.settle_too_late(&job, Verdict::Done);
}

pub(super) fn a_suspect_that_ran_and_survived_is_clean(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let job = suspect(stage, &mut hand);
    hand.settle(&job, again());
    let clean = hand.take_one();
    assert_eq!((clean.attempt, clean.suspect), (2, false));
    hand.settle(&clean, Verdict::Done);
    let job = suspect(stage, &mut hand);
    hand.settle(&job, again_uncounted());
    let clean = hand.take_one();
    assert_eq!((clean.attempt, clean.suspect), (1, false));
}

pub(super) fn a_suspect_that_is_done_is_gone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let job = suspect(stage, &mut hand);
    hand.settle(&job, Verdict::Done);
    hand.finds_nothing();
}
