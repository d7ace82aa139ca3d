//! A row that the database does not let anybody take, or hold any longer: by a trigger of somebody else's, say. It is
//! told of and left there; its neighbours run as ever, and so does the row once nothing refuses it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::{Config, Event, Worker};

use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Held, Shell, Then, config_on, held_queue, queue, shells, wait_until};

/// What refuses a change of the row that has `refused` in its payload, under a condition.
fn refusals(condition: &str) -> [(String, &'static str); 3] {
    let is_meant = format!("OLD.payload LIKE '%refused%' AND {condition}");
    [
        (
            format!(
                "CREATE TRIGGER refuse BEFORE UPDATE ON jobs WHEN {is_meant}
                BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            ),
            "DROP TRIGGER refuse",
        ),
        (
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF {is_meant} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
                CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()"
            ),
            "DROP TRIGGER refuse ON jobs",
        ),
        (
            format!(
                "DELIMITER $\nCREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW BEGIN
                IF {is_meant} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF; END$"
            ),
            "DROP TRIGGER refuse",
        ),
    ]
}

/// What leaves that row as it is and says nothing: MySQL has no such thing.
fn skips(condition: &str) -> [(String, &'static str); 2] {
    let [(sqlite, on_sqlite), (postgres, on_postgres), _] = refusals(condition);
    [
        (sqlite.replace("RAISE(ABORT, 'not this one')", "RAISE(IGNORE)"), on_sqlite),
        (postgres.replace("RAISE EXCEPTION 'not this one'", "RETURN NULL"), on_postgres),
    ]
}

/// What a worker warned of, and that its connection was lost.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn listen(&self, worker: Worker) -> Worker {
        let warnings = self.0.clone();
        worker.listener(move |event| match event {
            Event::Warning(warning) => warnings.lock().unwrap().push((*warning).to_owned()),
            Event::Disconnected { error, .. } => warnings.lock().unwrap().push(format!("lost: {error}")),
            _ => {}
        })
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The condition under which a row waits that is to be taken: its columns, and how it becomes so.
const KINDS: [(&str, [&str; 3]); 3] = [
    ("fresh", ["queue = queue"; 3]),
    (
        "suspect",
        [
            "token = -1, lease = 5",
            "token = -1, lease = now() - interval '1 hour'",
            "token = -1, lease = '2020-01-01'",
        ],
    ),
    ("odd", ["available_at = 9e15", "available_at = '9999-12-01Z'", "available_at = '9999-12-01'"]),
];

#[test]
fn a_clean_row_that_cannot_be_taken_keeps_no_other_waiting_and_floods_nothing() {
    on_each_database("fresh");
}

#[test]
fn a_suspect_that_cannot_be_taken_keeps_no_other_waiting_and_floods_nothing() {
    on_each_database("suspect");
}

#[test]
fn an_odd_row_that_cannot_be_taken_keeps_no_other_waiting_and_floods_nothing() {
    on_each_database("odd");
}

#[test]
fn a_clean_row_that_is_skipped_without_an_error_hides_no_other_and_is_told_of() {
    on_each_that_skips("fresh");
}

#[test]
fn a_suspect_that_is_skipped_without_an_error_hides_no_other_and_is_told_of() {
    on_each_that_skips("suspect");
}

#[test]
fn an_odd_row_that_is_skipped_without_an_error_hides_no_other_and_is_told_of() {
    on_each_that_skips("odd");
}

fn becomes(kind: &str) -> [&'static str; 3] {
    KINDS.into_iter().find(|(name, _)| *name == kind).unwrap().1
}

fn on_each_database(kind: &str) {
    for (((_folder, config, shell), refusal), becomes) in
        shells().into_iter().zip(refusals("1 = 1")).zip(becomes(kind))
    {
        one_is_refused(kind, config, &shell, (&refusal, "not this one"), becomes);
    }
}

fn on_each_that_skips(kind: &str) {
    for (((_folder, config, shell), refusal), becomes) in
        shells().into_iter().zip(skips("1 = 1")).zip(becomes(kind))
    {
        one_is_refused(kind, config, &shell, (&refusal, "says nothing"), becomes);
    }
}

fn one_is_refused(
    kind: &str,
    mut config: Config,
    shell: &Shell,
    ((refuses, allows), why): (&(String, &str), &str),
    becomes: &str,
) {
    // Suspects are taken a third of a lease after the worker has connected.
    config.database.settings.lease = Duration::from_secs(6);
    let (queue, diary) = queue(config);
    let neighbours = |round: usize| {
        for at in 0..25 {
            queue.on("a").push(Act::new(&format!("a{round}.{at}"), Then::Succeed)).unwrap();
            queue.on("b").push(Act::new(&format!("b{round}.{at}"), Then::Succeed)).unwrap();
        }
    };
    let id = queue.on("a").push(Act::new("refused", Then::Succeed)).unwrap().id().to_string();
    shell(&format!("UPDATE jobs SET {becomes}"));
    shell(refuses);
    neighbours(0);
    let warnings = Warnings::default();
    let worker = warnings.listen(queue.worker().threads(1).on("a").on("b"));
    let stopper = worker.stopper();
    thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        let of_row =
            || warnings.all().into_iter().filter(|told| told.contains(&format!("row {id} "))).count();
        wait_until("the neighbours", || diary.lines().len() == 50);
        wait_until("a word about the row", || of_row() > 0);
        for round in 1..5 {
            let began = Instant::now();
            neighbours(round);
            wait_until("the next neighbours", || diary.lines().len() == 50 * (round + 1));
            // The row is tried again meanwhile.
            thread::sleep(Duration::from_secs(2).saturating_sub(began.elapsed()));
        }
        let told = warnings.all();
        assert_eq!((told.len(), of_row()), (1, 1), "{kind}, {refuses}: {told:?}");
        assert!(told[0].contains(why) && told[0].contains("\"jobs\""), "{told:?}");
        assert_eq!(shell("SELECT id FROM jobs").trim(), id, "it is left there");
        shell(allows);
        wait_until("the row, once it is allowed", || shell("SELECT id FROM jobs").trim().is_empty());
        stopper.stop();
        let report = worker.join().unwrap();
        let expected = if kind == "odd" { (250, 1) } else { (251, 0) };
        assert_eq!((report.done, report.failed), expected, "{kind}, {refuses}");
    });
    assert_eq!(
        diary.lines().iter().filter(|line| line.starts_with("refused")).count(),
        usize::from(kind != "odd")
    );
}

/// A worker that works off what is there ends, and tells.
#[test]
fn many_rows_that_cannot_be_taken_are_told_of_in_few_lines_and_passed_over() {
    for ((_folder, config, shell), (refuses, _)) in shells().into_iter().zip(refusals("1 = 1")) {
        let (queue, diary) = queue(config);
        queue.push_many((0..150).map(|at| Act::new(&format!("refused {at}"), Then::Succeed))).unwrap();
        queue.push_many((0..20).map(|at| Act::new(&format!("fine {at}"), Then::Succeed))).unwrap();
        shell(&refuses);
        let warnings = Warnings::default();
        let report = warnings.listen(queue.worker().stop_when_empty()).run().unwrap();
        assert_eq!((report.done, diary.lines().len()), (20, 20), "{refuses}: {:?}", warnings.all());
        let told = warnings.all();
        assert!((11..20).contains(&told.len()), "{refuses}: {told:?}");
        assert!(!told.iter().any(|told| told.starts_with("lost")), "{refuses}: {told:?}");
        assert_eq!(shell("SELECT count(*) FROM jobs").trim(), "150");
    }
}

/// Each look is for as many as there are slots: for one.
#[test]
fn odd_rows_that_cannot_be_taken_hide_no_other_odd_one() {
    for ((_folder, config, shell), (refuses, _)) in shells().into_iter().zip(refusals("1 = 1")) {
        let (queue, _) = queue(config);
        queue.push_many((0..3).map(|at| Act::new(&format!("refused {at}"), Then::Succeed))).unwrap();
        let far =
            if refuses.contains("RAISE(") { ["9e15", "9.1e15"] } else { ["'9999-12-01'", "'9999-12-02'"] };
        shell(&format!("UPDATE jobs SET available_at = {}", far[0]));
        queue.push(Act::new("fine", Then::Succeed)).unwrap();
        shell(&format!("UPDATE jobs SET available_at = {} WHERE payload LIKE '%fine%'", far[1]));
        shell(&refuses);
        let warnings = Warnings::default();
        let report = warnings.listen(queue.worker().stop_when_empty()).run().unwrap();
        assert_eq!((report.done, report.failed), (0, 1), "{refuses}: {:?}", warnings.all());
        assert_eq!(warnings.all().len(), 3, "{refuses}: {:?}", warnings.all());
    }
}

#[test]
fn a_hold_that_cannot_be_renewed_ends_no_other() {
    // A take changes the token, and a renewal does not.
    for ((_folder, config, shell), (refuses, _)) in
        shells().into_iter().zip(refusals("OLD.token = NEW.token"))
    {
        one_is_not_renewed(config, &shell, &refuses, "not this one");
    }
}

/// Neither is about what the user of the connection may do: the other rows are renewed.
#[test]
fn a_hold_that_postgres_does_not_permit_to_renew_ends_no_other() {
    let server = Postgres::shared();
    server.psql("CREATE ROLE guarded LOGIN");
    let by_policy = "ALTER TABLE jobs ENABLE ROW LEVEL SECURITY; ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
        CREATE POLICY guard ON jobs USING (true)
        WITH CHECK (payload NOT LIKE '%refused%' OR lease IS NULL OR lease = reserved_at + interval '3 s')";
    let by_trigger = refusals("OLD.token = NEW.token")[1]
        .0
        .replace("'not this one'", "'not this one' USING ERRCODE = 'insufficient_privilege'");
    for (refuses, why) in [(by_policy, "row-level security policy"), (&*by_trigger, "not this one")] {
        let url = server.database();
        let name = url.rsplit_once('/').unwrap().1;
        server.psql(&format!("ALTER DATABASE {name} OWNER TO guarded"));
        let shell: Shell = Box::new({
            let url = url.clone();
            move |sql| postgres::query(&url, sql).unwrap()
        });
        one_is_not_renewed(config_on(&url.replace("postgres@", "guarded@")), &shell, refuses, why);
    }
}

fn one_is_not_renewed(mut config: Config, shell: &Shell, refuses: &str, why: &str) {
    config.database.settings.lease = Duration::from_secs(3);
    let (queue, diary, may_end) = held_queue(config);
    shell(refuses);
    queue.push_many(["a", "refused", "b"].map(|name| Held(name.into()))).unwrap();
    let warnings = Warnings::default();
    let (one, two) = (warnings.listen(queue.worker().threads(3)), queue.worker().threads(3));
    let stoppers = [one.stopper(), two.stopper()];
    thread::scope(|scope| {
        let one = scope.spawn(|| one.run().unwrap());
        ["a 1", "refused 1", "b 1"].into_iter().for_each(|line| diary.wait_for(line));
        let two = scope.spawn(|| two.run().unwrap());
        // For longer than two leases.
        thread::sleep(Duration::from_millis(7_500));
        may_end.store(true, Ordering::SeqCst);
        wait_until("the end of all", || shell("SELECT id FROM jobs").trim().is_empty());
        stoppers.iter().for_each(|stopper| stopper.stop());
        let done = one.join().unwrap().done + two.join().unwrap().done;
        assert_eq!(done, 3, "each counts once: {:?}", diary.lines());
    });
    let lines_of =
        |name: &str| -> Vec<_> { diary.lines().into_iter().filter(|line| line.starts_with(name)).collect() };
    assert_eq!((lines_of("a"), lines_of("b")), (vec!["a 1".into()], vec!["b 1".into()]), "{refuses}");
    assert!(lines_of("refused").contains(&"refused lost".to_owned()), "{refuses}: {:?}", diary.lines());
    let told = warnings.all();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("can't be renewed") && told[0].contains(why), "{told:?}");
}

/// The database lets the job be taken, and its key stays.
#[test]
fn a_key_that_cannot_be_let_go_keeps_nothing_from_running() {
    for ((_folder, config, shell), (refuses, _)) in
        shells().into_iter().zip(refusals("OLD.unique_key IS NOT NULL AND NEW.unique_key IS NULL"))
    {
        let (queue, diary) = queue(config);
        shell(&refuses);
        for name in ["before", "refused", "after"] {
            queue.on("default").unique_until_start(name).push(Act::new(name, Then::Succeed)).unwrap();
        }
        let warnings = Warnings::default();
        let report = warnings.listen(queue.worker().stop_when_empty()).run().unwrap();
        assert_eq!((report.done, report.lost), (3, 0), "{refuses}: {:?}", warnings.all());
        assert_eq!(diary.lines(), ["before 1", "refused 1", "after 1"]);
        let told = warnings.all();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("the unique key of Act #2 can't be let go"), "{told:?}");
    }
}
