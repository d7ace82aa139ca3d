SELECT id, uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, options
FROM failed_jobs
WHERE id > $1
    AND ($2::bigint IS NULL OR id = $2)
    AND ($3::text IS NULL OR driver = $3)
    AND ($4::text IS NULL OR queue = $4)
    AND ($5::text IS NULL OR name = $5)
    AND ($6::bigint IS NULL OR failed_at::timestamptz >= now() - $6 * interval '1 ms')
    AND ($7::bigint IS NULL OR failed_at::timestamptz <= now() - $7 * interval '1 ms')
ORDER BY id
LIMIT $8;
