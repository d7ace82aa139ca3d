-- A job that is there already stays as it is, unless it is being retried: then this is its new failure.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    created_at, options)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
ON CONFLICT (uuid) DO UPDATE
SET driver = excluded.driver, connection = excluded.connection, queue = excluded.queue,
    payload = excluded.payload, exception = excluded.exception, attempts = excluded.attempts,
    failed_at = excluded.failed_at, options = excluded.options, retried_at = NULL
WHERE failed_jobs.retried_at IS NOT NULL
RETURNING id;
