-- What take.sql would find, without a change, which may be refused. In MySQL take.sql itself changes nothing.
SELECT id
FROM jobs
WHERE token IS NULL AND queue = ?1 AND priority = ?2 AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
    AND id NOT IN (SELECT value FROM json_each(?4))
ORDER BY available_at, id
LIMIT ?3;
