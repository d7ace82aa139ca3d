-- Jobs whose hold has run out. The first time their attempt stays: they may be innocent. Held by a worker in which
-- a job that kills is known at once, they are no suspects.
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + (suspect <> 0) ELSE attempts END, suspect = ?5
WHERE id IN (
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?3))
    ORDER BY lease
    LIMIT ?4
)
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
