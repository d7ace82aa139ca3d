-- A page of the failed jobs between two ids, the newest first, with long texts cut.
SELECT id, uuid, driver, connection, queue, name, substr(payload, 1, 200), substr(exception, 1, 2000), attempts, failed_at, options
FROM failed_jobs
WHERE id < ?1
    AND id >= ?2
    AND driver = ?3
    AND (?4 IS NULL OR queue = ?4)
    AND (?5 IS NULL OR name = ?5)
    AND (?6 IS NULL OR substr(substr(exception, 1, instr(exception || char(10), char(10)) - 1), 1, 200) = ?6)
    AND (?7 IS NULL OR name LIKE ?7 ESCAPE '\' OR exception LIKE ?7 ESCAPE '\' OR payload LIKE ?7 ESCAPE '\' OR uuid LIKE ?7 ESCAPE '\'
        OR options LIKE ?7 ESCAPE '\')
ORDER BY id DESC
LIMIT ?8;
