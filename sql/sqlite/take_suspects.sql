-- Jobs whose hold has run out. The first time their attempt stays: they may be innocent. A worker in which a job that
-- kills is known at once runs them beside other jobs, and is charged to none of them: the row does not call them
-- suspects, and says with ran_at that they were handed out so. If it dies nevertheless, they run alone from then on,
-- in the hands of a worker whose death is charged to them.
-- The rule of attempts is Lifecycle::take (src/driver/job_state.rs).
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + (suspect <> 0) ELSE attempts END, suspect = ?5,
    ran_at = CASE ?5 WHEN 1 THEN ran_at ELSE CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) END
WHERE id IN (
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?3))
        AND (?5 = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
        AND id NOT IN (SELECT value FROM json_each(?6))
    ORDER BY lease
    LIMIT ?4
)
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
