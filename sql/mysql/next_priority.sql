-- The next lower priority that has a clean job.
SELECT MAX(priority)
FROM jobs
WHERE queue = ? AND lease IS NULL AND priority < ?;
