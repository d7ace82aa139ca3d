-- One job, whoever holds it, with all that is kept of it.
SELECT id, uuid, jobs.name, jobs.queue, attempts, priority,
    CASE WHEN lease IS NOT NULL THEN 'running' WHEN available_at <= UTC_TIMESTAMP(6) THEN 'waiting' ELSE 'delayed' END AS state,
    TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), available_at) DIV 1000, created_at,
    TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), lease) DIV 1000, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000,
    payload, options, unique_key, last_error
FROM jobs
WHERE id = ?;
