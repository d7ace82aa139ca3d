-- A page of the jobs, whoever holds them, without what may be long. To the server "a" and "a " are equal,
-- hence the length.
SELECT id, uuid, jobs.name, jobs.queue, attempts, priority,
    CASE WHEN lease IS NOT NULL THEN 'running' WHEN available_at <= UTC_TIMESTAMP(6) THEN 'waiting' ELSE 'delayed' END AS state,
    TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), available_at) DIV 1000, created_at,
    TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), lease) DIV 1000, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000
FROM (SELECT ? AS after, ? AS queue, ? AS name, ? AS state) AS asked
CROSS JOIN jobs
WHERE id > asked.after
    AND (asked.queue IS NULL OR (jobs.queue = asked.queue AND LENGTH(jobs.queue) = LENGTH(asked.queue)))
    AND (asked.name IS NULL OR (jobs.name = asked.name AND LENGTH(jobs.name) = LENGTH(asked.name)))
    AND (asked.state IS NULL OR asked.state = CASE WHEN lease IS NOT NULL THEN 'running' WHEN available_at <= UTC_TIMESTAMP(6) THEN 'waiting' ELSE 'delayed' END)
ORDER BY id
LIMIT ?;
