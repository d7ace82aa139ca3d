-- A mark older than a minute was left by a retry that died.
SELECT id
FROM failed_jobs
WHERE id IN (SELECT value FROM json_each(?1))
    AND (retried_at IS NULL OR retried_at < CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - 60000);
