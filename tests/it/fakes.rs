//! Queues that run nothing, or everything at once: for tests and for debuggers.

use craft_queue::{Pushed, Queue};
use rusqlite::{Connection, TransactionBehavior};

use crate::support::{Act, Folder, Then, config, queue};

fn act(name: &str) -> Act {
    Act::new(name, Then::Succeed)
}

#[test]
fn a_fake_does_not_record_what_was_rolled_back() {
    let (queue, recorder) = Queue::fake();
    let mut database = Connection::open_in_memory().unwrap();
    for commits in [false, true] {
        let mut transaction = database.transaction().unwrap();
        queue.push(act("outside")).unwrap();
        assert!(queue.push_in(&mut transaction, act("within")).unwrap().is_added());
        assert_eq!((recorder.jobs::<Act>().len(), recorder.enlisted().len()), (1, 1));
        match commits {
            true => transaction.commit().map(|()| recorder.commit()).unwrap(),
            false => transaction.rollback().map(|()| recorder.roll_back()).unwrap(),
        }
        assert!(recorder.enlisted().is_empty());
        let names: Vec<_> = recorder.jobs::<Act>().into_iter().map(|act| act.name).collect();
        assert_eq!(names, if commits { vec!["outside", "within"] } else { vec!["outside"] });
        recorder.clear();
    }
}

#[test]
fn a_fake_honours_unique_keys() {
    let (queue, recorder) = Queue::fake();
    let first = queue.options().unique("one").push(act("first")).unwrap();
    assert!(first.is_added());
    let second = queue.options().unique("one").push(act("second")).unwrap();
    assert_eq!(second, Pushed::Duplicate(first.id().clone()));
    let third = queue.options().unique("one").delay("1 hour").replace().push(act("third")).unwrap();
    assert_eq!(third, Pushed::Replaced(first.id().clone()));
    let sent = recorder.sent();
    assert_eq!((sent.len(), sent[0].job::<Act>().unwrap().name.as_str()), (1, "third"));
    assert_eq!(sent[0].delay.as_secs(), 3_600);
    recorder.clear();
    assert!(queue.options().unique("one").push(act("fourth")).unwrap().is_added());
}

#[test]
fn a_fake_has_a_size_and_says_what_it_is() {
    let (queue, _) = Queue::fake();
    queue.install().unwrap();
    queue.push_many([act("one"), act("two")]).unwrap();
    queue.on("mail").delay("1 hour").push(act("late")).unwrap();
    let sizes = queue.size(None, &[]).unwrap();
    assert_eq!(queue.size_up_to(None, &[], 10).unwrap(), sizes);
    let error = queue.on("mail,default").push(act("two queues")).unwrap_err();
    assert!(error.is_invalid(), "as a driver would: {error}");
    let counts: Vec<_> = sizes.iter().map(|size| (&*size.queue, size.waiting, size.delayed)).collect();
    assert_eq!(counts, [("default", Some(2), Some(0)), ("mail", Some(0), Some(1))]);
    let errors = [
        queue.worker().run().unwrap_err(),
        queue.clear(None, "default").unwrap_err(),
        queue.failed().list(&Default::default()).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_unsupported() && error.to_string().contains("this queue is a fake"), "{error}");
        assert!(error.help().unwrap().contains("blocking = true"), "{error:?}");
    }
    assert!(!std::path::Path::new("database.sqlite3").exists(), "it made a file");
}

#[test]
fn a_blocking_driver_runs_what_is_pushed_within_a_transaction() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.default = "async".into();
    let file = folder.join("jobs.sqlite3");
    let push = |blocking| {
        config.memory.blocking = blocking;
        let (queue, diary) = queue(config.clone());
        let mut database = Connection::open(&file).unwrap();
        let mut transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let pushed = queue.push_in(&mut transaction, act("within"));
        let failed = queue.options().attempts(1).push_in(&mut transaction, Act::new("bad", Then::Fail));
        transaction.rollback().unwrap();
        (pushed, failed.unwrap_err(), diary.lines())
    };
    let mut push = push;
    let (pushed, failed, lines) = push(true);
    assert!(pushed.unwrap().is_added() && failed.is_job_failed(), "{failed}");
    assert_eq!(lines, ["within 1", "bad 1"]);
    let (refused, ..) = push(false);
    let refused = refused.unwrap_err();
    assert!(refused.is_unsupported(), "{refused}");
    assert!(refused.help().unwrap().contains("once the transaction has committed"), "{refused:?}");
}
