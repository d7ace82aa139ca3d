-- One row, if it still is what it was found as: due ('fresh'), held until a time that is over ('suspect'), or such
-- that no take would ever find it ('odd', see find_odd.sql and find_stray.sql); take_one.sql takes it. The transaction
-- keeps everybody else out.
SELECT id
FROM jobs
WHERE id = ?1 AND CASE ?2
    WHEN 'fresh' THEN token IS NULL AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?4))
    WHEN 'suspect' THEN token IS NOT NULL AND lease <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?4))
        AND (?3 = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
    WHEN 'odd' THEN token IS NULL AND (available_at >= 253370764800000 OR queue >= x'')
        OR token IS NOT NULL AND (lease >= 253370764800000 OR lease IS NULL)
END;
