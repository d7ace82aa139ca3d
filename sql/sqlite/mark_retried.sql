UPDATE failed_jobs
SET retried_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
WHERE id IN (SELECT value FROM json_each(?1));
