//! MySQL and MariaDB: READ COMMITTED, prepared statements, `SKIP LOCKED`, settling by primary key.

use std::time::Instant;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, Params, TxOpts, Value};

use crate::{A_CALL, A_TAKE, Figure, PAYLOAD, Result, drain};

const BACKEND: &str = "mysql";

const TABLE: &str = "CREATE TABLE craft_limits (
        id bigint unsigned AUTO_INCREMENT PRIMARY KEY, queue varchar(64) NOT NULL, payload text NOT NULL,
        attempts int NOT NULL DEFAULT 0, available_at datetime(6) NOT NULL DEFAULT now(6), reserved_at datetime(6),
        KEY ready (queue, reserved_at, id)
    ) ENGINE = InnoDB";

fn connect(url: &str) -> Result<Conn> {
    let mut connection = Conn::new(Opts::from_url(url)?)?;
    connection.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
    Ok(connection)
}

fn fresh(connection: &mut Conn) -> Result<()> {
    connection.query_drop("DROP TABLE IF EXISTS craft_limits")?;
    connection.query_drop(TABLE)?;
    Ok(())
}

pub fn measure(url: &str) -> Result<()> {
    let mut connection = connect(url)?;
    fresh(&mut connection)?;
    let push = connection.prep("INSERT INTO craft_limits (queue, payload) VALUES ('default', ?)")?;
    let (jobs, start) = (3_000, Instant::now());
    for _ in 0..jobs {
        connection.exec_drop(&push, (PAYLOAD,))?;
    }
    Figure { backend: BACKEND, workload: "push", threads: 1, jobs, start }.tell();

    let rows = vec!["('default', ?)"; A_CALL].join(", ");
    let push_many = connection.prep(format!("INSERT INTO craft_limits (queue, payload) VALUES {rows}"))?;
    let call = vec![Value::from(PAYLOAD); A_CALL];
    for threads in [1, 10] {
        fresh(&mut connection)?;
        let (jobs, start) = (50_000, Instant::now());
        for _ in 0..jobs / A_CALL {
            connection.exec_drop(&push_many, Params::Positional(call.clone()))?;
        }
        if threads == 1 {
            Figure { backend: BACKEND, workload: "push_many", threads, jobs, start }.tell();
        }
        connection.query_drop("ANALYZE TABLE craft_limits")?;
        drain((BACKEND, threads, jobs), || connect(url), step)?;
    }
    connection.query_drop("DROP TABLE craft_limits")?;
    Ok(())
}

/// A deadlock is what the server's manual says to retry.
fn step(connection: &mut Conn) -> Result<usize> {
    const DEADLOCK: u16 = 1213;
    loop {
        match take_and_settle(connection) {
            Err(mysql::Error::MySqlError(error)) if error.code == DEADLOCK => {}
            other => return Ok(other?),
        }
    }
}

fn take_and_settle(connection: &mut Conn) -> mysql::Result<usize> {
    let take = format!(
        "SELECT id, payload FROM craft_limits WHERE queue = 'default' AND reserved_at IS NULL
         ORDER BY id LIMIT {A_TAKE} FOR UPDATE SKIP LOCKED"
    );
    let mut transaction = connection.start_transaction(TxOpts::default())?;
    let taken: Vec<(u64, String)> = transaction.exec(take, ())?;
    let ids: Vec<String> = taken.iter().map(|(id, _)| id.to_string()).collect();
    if ids.is_empty() {
        transaction.commit()?;
        return Ok(0);
    }
    let ids = ids.join(", ");
    transaction.query_drop(format!(
        "UPDATE craft_limits SET reserved_at = now(6), attempts = attempts + 1 WHERE id IN ({ids})"
    ))?;
    transaction.commit()?;
    connection.query_drop(format!("DELETE FROM craft_limits WHERE id IN ({ids})"))?;
    Ok(taken.len())
}
