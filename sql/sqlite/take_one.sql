-- Takes one row, which lock_one.sql has found to be such a one. Attempts are counted as in take.sql and
-- take_suspects.sql. MySQL, which answers no row that it changes, has hold.sql for it.
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
    attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + CASE ?4 WHEN 'suspect' THEN suspect <> 0 ELSE 1 END ELSE attempts END,
    suspect = CASE ?4 WHEN 'suspect' THEN ?5 ELSE suspect END,
    ran_at = CASE WHEN ?4 = 'suspect' AND NOT ?5 THEN CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) ELSE ran_at END
WHERE id = ?3
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
