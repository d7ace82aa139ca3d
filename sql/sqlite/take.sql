-- Passes over the rows that the database does not let anybody take, a list in JSON.
-- Attempts are counted as Lifecycle::take says (src/driver/job_state.rs).
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + 1 ELSE attempts END
WHERE id IN (
    SELECT id
    FROM jobs
    WHERE token IS NULL AND queue = ?3 AND priority = ?4 AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
        AND id NOT IN (SELECT value FROM json_each(?6))
    ORDER BY available_at, id
    LIMIT ?5
)
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
