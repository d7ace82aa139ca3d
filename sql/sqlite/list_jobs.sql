-- A page of the jobs, whoever holds them, without what may be long.
SELECT id, uuid, name, queue, attempts, priority,
    CASE WHEN token IS NOT NULL THEN 'running' WHEN available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) THEN 'waiting' ELSE 'delayed' END AS state,
    CAST(available_at - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS INTEGER), created_at,
    CAST(lease - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS INTEGER), suspect,
    CAST(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since AS INTEGER)
FROM jobs
WHERE id > ?1
    AND (?2 IS NULL OR queue = ?2)
    AND (?3 IS NULL OR name = ?3)
    AND (?4 IS NULL OR state = ?4)
ORDER BY id
LIMIT ?5;
