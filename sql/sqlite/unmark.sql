UPDATE failed_jobs
SET retried_at = NULL
WHERE id IN (SELECT value FROM json_each(?1));
