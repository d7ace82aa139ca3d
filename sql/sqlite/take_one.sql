-- One row, if it still is what it was found as: due ('fresh'), held until a time that is over ('suspect'), or such
-- that no take would ever find it ('odd', see find_odd.sql and find_stray.sql). Attempts are counted as in take.sql
-- and take_suspects.sql.
UPDATE jobs
SET token = ?1, lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?2, reserved_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
    attempts = CASE typeof(attempts) WHEN 'integer' THEN min(attempts, 9007199254740991) + CASE ?4 WHEN 'suspect' THEN suspect <> 0 ELSE 1 END ELSE attempts END,
    suspect = CASE ?4 WHEN 'suspect' THEN ?5 ELSE suspect END,
    ran_at = CASE WHEN ?4 = 'suspect' AND NOT ?5 THEN CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) ELSE ran_at END
WHERE id = ?3 AND CASE ?4
    WHEN 'fresh' THEN token IS NULL AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?6))
    WHEN 'suspect' THEN token IS NOT NULL AND lease <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?6))
        AND (?5 = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
    WHEN 'odd' THEN token IS NULL AND (available_at >= 253370764800000 OR queue >= x'')
        OR token IS NOT NULL AND (lease >= 253370764800000 OR lease IS NULL)
END
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since, last_error, unique_key, options,
    reserved_at - available_at;
