SELECT id, uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, options
FROM failed_jobs
WHERE id > ?1
    AND (?2 IS NULL OR id = ?2)
    AND (?3 IS NULL OR driver = ?3)
    AND (?4 IS NULL OR queue = ?4)
    AND (?5 IS NULL OR name = ?5)
    AND (?6 IS NULL OR julianday(failed_at) >= julianday('now') - ?6 / 86400000.0)
    AND (?7 IS NULL OR julianday(failed_at) <= julianday('now') - ?7 / 86400000.0)
ORDER BY id
LIMIT ?8;
