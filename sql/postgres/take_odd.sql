-- Rows that no take would ever find: due in the year 9999, at infinity, or held until then or without an
-- end. The lines are those of take.sql. They are held to be buried.
UPDATE jobs
SET token = $3, lease = now() + $4::bigint * interval '1 ms', reserved_at = now(), attempts = least(attempts, 2147483646) + 1
WHERE id = ANY (ARRAY(
    SELECT odd.id
    FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
    CROSS JOIN LATERAL (
        SELECT id
        FROM jobs
        WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at >= '9999-01-01Z'
        ORDER BY available_at
        LIMIT $5
        FOR UPDATE SKIP LOCKED
    ) AS odd
    LIMIT $5
) || ARRAY(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND (lease >= '9999-01-01Z') AND queue = ANY ($1::text[])
    ORDER BY lease
    LIMIT $5
    FOR UPDATE SKIP LOCKED
) || ARRAY(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease IS NULL AND queue = ANY ($1::text[])
    ORDER BY lease
    LIMIT $5
    FOR UPDATE SKIP LOCKED
))
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
