-- Locks one of them; hold.sql takes it.
SELECT id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, UTC_TIMESTAMP(6)) DIV 1000
FROM jobs
WHERE id = ? AND (lease IS NULL AND available_at >= '9999-01-01' OR lease >= '9999-01-01')
FOR UPDATE SKIP LOCKED;
