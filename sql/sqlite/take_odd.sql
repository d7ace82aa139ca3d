-- It is held to be buried.
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + 1 ELSE attempts END, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
WHERE id = ?3
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
