-- The failed job of a uuid.
SELECT id
FROM failed_jobs
WHERE uuid = $1;
