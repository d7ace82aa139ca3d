//! PostgreSQL: prepared statements, `SKIP LOCKED`, arrays of rows.

use std::time::Instant;

use postgres::{Client, NoTls, Statement};

use crate::{A_CALL, A_TAKE, Figure, PAYLOAD, Result, drain};

const BACKEND: &str = "postgres";

const TABLE: &str = "DROP TABLE IF EXISTS craft_limits;
    CREATE TABLE craft_limits (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue text NOT NULL, payload text NOT NULL,
        attempts int NOT NULL DEFAULT 0, available_at timestamptz NOT NULL DEFAULT now(), reserved_at timestamptz
    );
    CREATE INDEX craft_limits_ready ON craft_limits (queue, id) WHERE reserved_at IS NULL;";

const PUSH: &str = "INSERT INTO craft_limits (queue, payload) VALUES ('default', $1) RETURNING id";

const PUSH_MANY: &str =
    "INSERT INTO craft_limits (queue, payload) SELECT 'default', payload FROM unnest($1::text[]) payload";

/// One connection takes, the other settles.
struct Worker {
    takes: (Client, Statement),
    settles: (Client, Statement),
}

impl Worker {
    fn connect(url: &str) -> Result<Self> {
        let mut takes = Client::connect(url, NoTls)?;
        let take = takes.prepare(&format!(
            "UPDATE craft_limits SET reserved_at = now(), attempts = attempts + 1
             WHERE id = ANY (ARRAY(SELECT id FROM craft_limits WHERE queue = 'default' AND reserved_at IS NULL
                                   ORDER BY id FOR UPDATE SKIP LOCKED LIMIT {A_TAKE}))
             RETURNING id, payload"
        ))?;
        let mut settles = Client::connect(url, NoTls)?;
        let settle = settles.prepare("DELETE FROM craft_limits WHERE id = ANY ($1)")?;
        Ok(Self { takes: (takes, take), settles: (settles, settle) })
    }

    fn step(&mut self) -> Result<usize> {
        let rows = self.takes.0.query(&self.takes.1, &[])?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        Ok(usize::try_from(self.settles.0.execute(&self.settles.1, &[&ids])?)?)
    }
}

pub fn measure(url: &str) -> Result<()> {
    let mut client = Client::connect(url, NoTls)?;
    client.batch_execute(TABLE)?;
    let push = client.prepare(PUSH)?;
    let (jobs, start) = (4_000, Instant::now());
    for _ in 0..jobs {
        client.query_one(&push, &[&PAYLOAD])?;
    }
    Figure { backend: BACKEND, workload: "push", threads: 1, jobs, start }.tell();

    let push_many = client.prepare(PUSH_MANY)?;
    let call = vec![PAYLOAD; A_CALL];
    for threads in [1, 10] {
        client.batch_execute(TABLE)?;
        let (jobs, start) = (60_000, Instant::now());
        for _ in 0..jobs / A_CALL {
            client.execute(&push_many, &[&call])?;
        }
        if threads == 1 {
            Figure { backend: BACKEND, workload: "push_many", threads, jobs, start }.tell();
        }
        client.batch_execute("ANALYZE craft_limits; CHECKPOINT")?;
        drain((BACKEND, threads, jobs), || Worker::connect(url), Worker::step)?;
    }
    client.batch_execute("DROP TABLE craft_limits")?;
    Ok(())
}
