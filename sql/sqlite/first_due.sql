-- The first row of the next lower priority: which one it is, and in how many ms it is due. The index
-- has the same order, so this reads one entry, whatever waits for later. What no take would ever find
-- has no such time; see find_odd.sql.
SELECT priority, CASE WHEN available_at < 253370764800000 THEN available_at - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) END
FROM jobs
WHERE token IS NULL AND queue = ?1 AND priority < ?2 AND id NOT IN (SELECT value FROM json_each(?3))
ORDER BY priority DESC, available_at
LIMIT 1;
