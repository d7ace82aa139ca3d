-- What take_suspects.sql would find, without a change, which may be refused. In MySQL take_suspects.sql itself changes
-- nothing.
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AND queue IN (SELECT value FROM json_each(?1))
    AND (?4 = 1 OR (suspect = 0 AND (ran_at = reserved_at) IS NOT TRUE))
    AND id NOT IN (SELECT value FROM json_each(?3))
ORDER BY lease
LIMIT ?2;
