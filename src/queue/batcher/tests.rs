//! Pushes to a back end that breaks, refuses or waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use super::pending_push::PATIENCE;
use super::*;
use crate::driver::{Receipt, Reserved, Settled, Settlement, Size, Taken, Want};
use crate::message::JobId;

type Act = dyn Fn(&[Message]) -> Result<()> + Send + Sync;

/// What it does with a push is the test's to say.
#[derive(Clone)]
struct Fake {
    away: Arc<AtomicBool>,
    act: Arc<Act>,
}

impl Backend for Fake {
    fn open(&self, _: Notifier) -> Result<Box<dyn Driver>> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("away")),
            false => Ok(Box::new(self.clone())),
        }
    }

    fn describe(&self) -> String {
        "fake".into()
    }

    fn pushes_wait_for_keys(&self) -> bool {
        true
    }
}

impl Driver for Fake {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        (self.act)(messages)?;
        Ok(messages.iter().map(|message| Pushed::Added(JobId::Text(message.name.clone()))).collect())
    }

    fn reserve(&mut self, _: &Want<'_>) -> Result<Taken> {
        Ok(Taken::default())
    }

    fn settle(&mut self, _: &[Settled<'_>]) -> Result<Settlement> {
        Ok(Settlement::default())
    }

    fn extend(&mut self, _: &[&Reserved], _: Duration) -> Result<Vec<Receipt>> {
        Ok(Vec::new())
    }

    fn size(&mut self, _: &[String]) -> Result<Vec<Size>> {
        Ok(Vec::new())
    }

    fn clear(&mut self, _: &str) -> Result<u64> {
        Ok(0)
    }
}

fn batcher(act: impl Fn(&[Message]) -> Result<()> + Send + Sync + 'static) -> (Batcher, Arc<AtomicBool>) {
    let away = Arc::new(AtomicBool::new(false));
    (Batcher::new(Arc::new(Fake { away: away.clone(), act: Arc::new(act) })), away)
}

fn job(name: &str) -> Vec<Message> {
    let unique_key = name.starts_with("keyed").then(|| name.into());
    vec![Message { unique_key, ..Message::new("q", name, b"1") }]
}

fn wait_until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Pushes the first one, which is held until the others wait behind it, and answers for each.
fn together(batcher: &Batcher, names: &[&str], free: &dyn Fn()) -> Vec<Result<Vec<Pushed>>> {
    thread::scope(|scope| {
        let push = |name: &str| {
            let messages = job(name);
            scope.spawn(move || batcher.push(messages))
        };
        let mut pushes = vec![push(names[0])];
        wait_until(|| !batcher.plain.is_free());
        pushes.extend(names[1..].iter().map(|name| push(name)));
        wait_until(|| lock(&batcher.plain.line).waiting.len() == names.len() - 1);
        free();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    })
}

#[test]
fn all_who_wait_for_a_back_end_that_is_away_wait_for_the_same_time() {
    let (batcher, away) = batcher(|_| Ok(()));
    away.store(true, Ordering::SeqCst);
    let began = Instant::now();
    thread::scope(|scope| {
        let pushes: Vec<_> = (0..20).map(|_| scope.spawn(|| batcher.push(job("a")))).collect();
        for push in pushes {
            let error = push.join().unwrap().unwrap_err();
            assert!(error.is_unavailable() && !error.is_outcome_unknown(), "{error:?}");
        }
    });
    assert!(began.elapsed() >= PATIENCE);
    assert!(began.elapsed() < PATIENCE * 8, "not one after another: {:?}", began.elapsed());
    away.store(false, Ordering::SeqCst);
    assert!(batcher.push(job("a")).is_ok());
}

#[test]
fn those_whose_batch_was_sent_are_told_that_it_may_have_arrived() {
    let (free, held) = channel();
    let held = Mutex::new(held);
    let away = Arc::new(AtomicBool::new(false));
    let cut = away.clone();
    let (batcher, _) = {
        let act = move |messages: &[Message]| {
            if messages.len() == 1 && !cut.load(Ordering::SeqCst) {
                return lock(&held).recv().map_err(|_| Error::other("never freed"));
            }
            // Behind the commit, and for good.
            cut.store(true, Ordering::SeqCst);
            Err(Error::unavailable("cut"))
        };
        let fake = Fake { away: away.clone(), act: Arc::new(act) };
        (Batcher::new(Arc::new(fake)), ())
    };
    let answers = together(&batcher, &["first", "a", "b", "c"], &|| free.send(()).unwrap());
    assert!(answers[0].is_ok());
    for answer in &answers[1..] {
        let error = answer.as_ref().unwrap_err();
        assert!(error.is_outcome_unknown(), "{error:?}");
    }
}

#[test]
fn what_the_back_end_undid_is_no_doubt() {
    let (batcher, _) = batcher(|_| Err(Error::unavailable("a lock was held for long").undone()));
    let error = batcher.push(job("a")).unwrap_err();
    assert!(error.is_unavailable() && !error.is_outcome_unknown(), "{error:?}");
}

#[test]
fn a_message_that_is_refused_or_that_ends_the_connection_fails_alone() {
    let (free, held) = channel();
    let held = Mutex::new(held);
    let (batcher, _) = batcher(move |messages| {
        let has = |name: &str| messages.iter().any(|message| &*message.name == name);
        if has("first") {
            return lock(&held).recv().map_err(|_| Error::other("never freed"));
        }
        if has("poison") {
            return Err(Error::unavailable("the server hung up"));
        }
        if has("bad") { Err(Error::invalid("refused")) } else { Ok(()) }
    });
    let names = ["first", "a", "poison", "b", "bad", "c"];
    let answers = together(&batcher, &names, &|| free.send(()).unwrap());
    for (name, answer) in names.iter().zip(answers) {
        match *name {
            "poison" => assert!(answer.unwrap_err().is_outcome_unknown()),
            "bad" => assert!(answer.unwrap_err().is_invalid()),
            name => assert_eq!(answer.unwrap(), [Pushed::Added(JobId::Text(name.into()))]),
        }
    }
}

#[test]
fn a_push_that_waits_for_its_key_keeps_neither_plain_pushes_waiting_nor_other_keys() {
    let (free, held) = channel();
    let held = Mutex::new(held);
    let (batcher, _) = batcher(move |messages| match &*messages[0].name {
        "keyed1" => lock(&held).recv().map_err(|_| Error::other("never freed")),
        _ => Ok(()),
    });
    thread::scope(|scope| {
        let waits = scope.spawn(|| batcher.push(job("keyed1")));
        wait_until(|| batcher.keyed.iter().any(|lane| !lane.is_free()));
        assert!(batcher.push(job("plain")).is_ok());
        assert!(batcher.push(job("keyed2")).is_ok());
        free.send(()).unwrap();
        assert!(waits.join().unwrap().is_ok());
    });
}

#[test]
fn a_driver_that_panics_fails_those_who_wait() {
    let (batcher, _) = batcher(|messages| match &*messages[0].name {
        "bad" => panic!("it went wrong"),
        _ => Ok(()),
    });
    assert!(batcher.push(job("bad")).unwrap_err().to_string().contains("panicked"));
    assert!(batcher.push(job("good")).is_ok());
}
