-- Locks one row, if it still is what it was found as: due ('fresh'), held until a time that is over ('suspect'), or
-- such that no take would ever find it ('odd', see find_odd.sql); hold.sql takes it, which answers no columns.
SELECT id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, UTC_TIMESTAMP(6)) DIV 1000
FROM jobs
WHERE id = ? AND CASE ?
    WHEN 'fresh' THEN lease IS NULL AND available_at <= UTC_TIMESTAMP(6)
    WHEN 'suspect' THEN lease <= UTC_TIMESTAMP(6) AND (? = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
    WHEN 'odd' THEN lease IS NULL AND available_at >= '9999-01-01' OR lease >= '9999-01-01'
END
FOR UPDATE SKIP LOCKED;
