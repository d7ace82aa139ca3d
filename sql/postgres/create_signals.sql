-- What workers are told. A queue that has a row is paused. The row without a queue's name gets another token
-- when the workers that run shall end, to be started again.
CREATE TABLE jobs_signals (
    driver text NOT NULL,
    queue text NOT NULL,
    token bigint,
    created_at text NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    PRIMARY KEY (driver, queue)
);
