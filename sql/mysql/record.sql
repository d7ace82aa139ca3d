-- Changes nothing when a job of this uuid is there already.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    options, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, failed_at)
ON DUPLICATE KEY UPDATE id = failed_jobs.id;
