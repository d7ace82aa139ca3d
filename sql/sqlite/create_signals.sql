-- What workers are told. A queue that has a row is paused. The row without a queue's name gets another token
-- when the workers that run shall end, to be started again.
CREATE TABLE jobs_signals (
    driver TEXT NOT NULL,
    queue TEXT NOT NULL,
    token INTEGER,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (driver, queue)
);
