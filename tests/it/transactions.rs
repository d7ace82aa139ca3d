//! A push within a transaction that is on another database than the jobs.

use craft_queue::clients::{mysql, postgres as pg};
use craft_queue::{Error, Queue};
use rusqlite::{Connection, TransactionBehavior};

use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::support::{Act, Folder, Then, config, config_on, queue};

fn act() -> Act {
    Act::new("within", Then::Succeed)
}

fn waiting(queue: &Queue) -> Option<u64> {
    queue.size(None, &["default".into()]).unwrap()[0].waiting
}

#[track_caller]
fn assert_elsewhere(error: &Error, found: &str) {
    assert!(error.is_invalid(), "{error:?}");
    assert!(error.to_string().contains("cannot push within this transaction: it is on"), "{error}");
    assert!(error.to_string().contains(found), "{error}");
}

#[test]
fn a_transaction_on_another_file_is_refused() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (queue_here, _) = queue(config(&folder));
    let (queue_there, _) = queue(config(&other));
    let file = folder.join("jobs.sqlite3");
    let mut there = Connection::open(other.join("jobs.sqlite3")).unwrap();
    let push = |connection: &mut Connection| {
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let pushed = queue_here.push_in(&mut transaction, act());
        transaction.commit().unwrap();
        pushed
    };
    assert_elsewhere(&push(&mut there).unwrap_err(), &other.path().display().to_string());
    // Attached, it is found behind the main file's own table.
    there.execute("ATTACH ?1 AS shop", [file.to_str()]).unwrap();
    assert_elsewhere(&push(&mut there).unwrap_err(), &other.path().display().to_string());
    assert_eq!((waiting(&queue_here), waiting(&queue_there)), (Some(0), Some(0)));
    let mut memory = Connection::open_in_memory().unwrap();
    assert!(push(&mut memory).unwrap_err().is_schema());
    memory.execute_batch("CREATE TABLE jobs (id)").unwrap();
    assert_elsewhere(&push(&mut memory).unwrap_err(), "a database in memory");
    // The right one, whatever it is called.
    memory.execute_batch("DROP TABLE jobs").unwrap();
    memory.execute("ATTACH ?1 AS shop", [file.to_str()]).unwrap();
    push(&mut memory).unwrap();
    let link = other.join("link.sqlite3");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    push(&mut Connection::open(link).unwrap()).unwrap();
    push(&mut Connection::open(&file).unwrap()).unwrap();
    assert_eq!(waiting(&queue_here), Some(3));
}

#[test]
fn a_transaction_in_another_database_of_the_server_is_refused() {
    let urls = [Postgres::shared().database(), Postgres::shared().database()];
    let [(here, _), (there, _)] = [0, 1].map(|at| queue(config_on(&urls[at])));
    for (at, url) in urls.iter().enumerate() {
        let mut client = pg::Client::connect(url, pg::NoTls).unwrap();
        let mut transaction = client.transaction().unwrap();
        let pushed = here.push_in(&mut transaction, act());
        transaction.commit().unwrap();
        match at {
            0 => assert!(pushed.unwrap().is_added()),
            _ => assert_elsewhere(&pushed.unwrap_err(), url.rsplit('/').next().unwrap()),
        }
    }
    assert_eq!((waiting(&here), waiting(&there)), (Some(1), Some(0)));

    let urls = [MariaDb::shared().database(), MariaDb::shared().database()];
    let [(here, _), (there, _)] = [0, 1].map(|at| queue(config_on(&urls[at])));
    for (at, url) in urls.iter().enumerate() {
        let mut client = mysql::Conn::new(url.as_str()).unwrap();
        let mut transaction = client.start_transaction(mysql::TxOpts::default()).unwrap();
        let pushed = here.push_in(&mut transaction, act());
        transaction.commit().unwrap();
        match at {
            0 => assert!(pushed.unwrap().is_added()),
            _ => assert_elsewhere(&pushed.unwrap_err(), "it is on"),
        }
    }
    assert_eq!((waiting(&here), waiting(&there)), (Some(1), Some(0)));
}
