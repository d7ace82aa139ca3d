-- Locks jobs whose hold has run out; hold.sql takes them.
SELECT id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, UTC_TIMESTAMP(6)) DIV 1000
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease <= UTC_TIMESTAMP(6)
ORDER BY lease
LIMIT ?
FOR UPDATE SKIP LOCKED;
