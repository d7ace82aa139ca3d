-- Fails when the table is missing or older than this version.
SELECT id, uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at,
    retried_at, options
FROM failed_jobs
LIMIT 0;
