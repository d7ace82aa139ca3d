-- A page of the failed jobs between two ids, the newest first, with long texts cut.
SELECT id, uuid, driver, connection, queue, name, left(payload, 200), left(exception, 2000), attempts, failed_at, options
FROM failed_jobs
WHERE id < $1
    AND id >= $2
    AND driver = $3
    AND ($4::text IS NULL OR queue = $4)
    AND ($5::text IS NULL OR name = $5)
    AND ($6::text IS NULL OR left(split_part(exception, chr(10), 1), 200) = $6)
    AND ($7::text IS NULL OR name ILIKE $7 OR exception ILIKE $7 OR payload ILIKE $7 OR uuid ILIKE $7 OR options ILIKE $7)
ORDER BY id DESC
LIMIT $8;
