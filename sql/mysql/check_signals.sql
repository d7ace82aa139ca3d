-- Fails when the table is missing or older than this version.
SELECT driver, queue, token, created_at
FROM jobs_signals
LIMIT 0;
