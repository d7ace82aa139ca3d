-- Locks jobs whose hold has run out; hold.sql takes them. Those that a dead worker ran beside others are left for
-- one that runs them alone.
-- The rule of attempts is Lifecycle::take (src/driver/job_state.rs).
SELECT id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, UTC_TIMESTAMP(6)) DIV 1000
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease <= UTC_TIMESTAMP(6)
    AND (? = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
    AND FIND_IN_SET(id, ?) = 0
ORDER BY lease
LIMIT ?
FOR UPDATE SKIP LOCKED;
