-- Adds nothing when a job of this uuid is there already.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    created_at, options)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
ON CONFLICT (uuid) DO NOTHING
RETURNING id;
