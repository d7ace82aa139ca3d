-- What is recorded under a uuid.
SELECT id, driver, name, payload, retried_at IS NOT NULL
FROM failed_jobs
WHERE uuid = ?
FOR UPDATE;
