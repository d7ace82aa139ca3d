//! A pool of connections between us and PostgreSQL.

use craft_queue::{Jobs, Queue};

use crate::servers::pgbouncer::pool;
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Then, config_on, queue, work_off};

#[test]
fn a_pool_that_shares_sessions_is_refused_with_what_to_do() {
    let server = Postgres::start(postgres::Options::default());
    queue(config_on(&server.url()));
    let pool = pool(&server, "transaction");
    let open = || Queue::open(config_on(&pool.url), Jobs::new()).unwrap();
    let first = open();
    let _ = first.size(None, &[]);
    drop(first);
    let error = open().worker().run().unwrap_err();
    assert!(error.is_config(), "{error:?}");
    assert!(error.to_string().contains("behind a pool that hands one session to many clients"), "{error}");
    assert_eq!(error.help(), Some("connect to the server itself, or to a pool with pool_mode = session"));
}

#[test]
fn a_pool_that_keeps_sessions_works() {
    let server = Postgres::start(postgres::Options::default());
    let pool = pool(&server, "session");
    for round in 1..=2 {
        let (queue, diary) = queue(config_on(&pool.url));
        queue.push(Act::new("pooled", Then::Succeed)).unwrap();
        assert_eq!(work_off(&queue).done, 1, "{round}");
        assert_eq!(diary.lines(), ["pooled 1"]);
    }
}
