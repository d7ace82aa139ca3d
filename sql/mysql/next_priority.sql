-- The next lower priority that has a clean job. To the server "a" and "a " are equal, hence the length.
SELECT priority
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority < ?
ORDER BY priority DESC
LIMIT 1;
