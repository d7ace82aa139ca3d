DELETE FROM failed_jobs
WHERE retried_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1));
