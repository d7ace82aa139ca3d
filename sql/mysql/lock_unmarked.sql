-- A mark older than a minute was left by a retry that died.
SELECT failed_jobs.id
FROM failed_jobs
JOIN JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS asked ON asked.id = failed_jobs.id
WHERE retried_at IS NULL OR retried_at < UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE
ORDER BY failed_jobs.id
FOR UPDATE;
