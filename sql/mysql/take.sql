-- Locks jobs that are due; hold.sql takes them. They are looked for from where the last batch ended:
-- what is before was taken, and the server has not yet swept its entries from the index. It passes over the rows that the
-- database does not let anybody take.
-- Attempts are counted as Lifecycle::take says (src/driver/job_state.rs).
SELECT id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, UTC_TIMESTAMP(6)) DIV 1000
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority = ? AND available_at >= ? AND available_at <= UTC_TIMESTAMP(6)
    AND FIND_IN_SET(id, ?) = 0
ORDER BY available_at, id
LIMIT ?
FOR UPDATE SKIP LOCKED;
