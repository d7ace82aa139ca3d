-- craft_take: see crowd.sql.
-- done.sql and take.sql in one step: what a busy worker does most. In each line it goes on where its last
-- take ended, so that it does not step over all that was removed since the last VACUUM. After the taken jobs
-- come those of the done ones that were lost: their id, and their token at the end.
WITH done AS (
    DELETE FROM jobs
    USING unnest($6::bigint[], $7::bigint[]) AS held (id, token)
    WHERE jobs.id = held.id AND jobs.token = held.token
    RETURNING jobs.id, jobs.token
), taken AS (
    UPDATE jobs
    SET token = $3, lease = now() + $4::bigint * interval '1 ms', reserved_at = now(), attempts = least(attempts, 2147483646) + 1
    WHERE id = ANY (ARRAY(
        SELECT due.id
        FROM unnest($1::text[], $2::smallint[], $8::timestamptz[], $9::bigint[])
            AS line (queue, priority, since, after)
        CROSS JOIN LATERAL (
            SELECT id
            FROM jobs
            WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority
                AND (available_at, id) > (line.since, line.after) AND available_at <= now()
                AND id <> ALL ($10::bigint[])
            ORDER BY available_at, id
            LIMIT $5
            FOR UPDATE SKIP LOCKED
        ) AS due
        LIMIT $5
    ))
    RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
        (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
        reserved_at
)
SELECT *, NULL::bigint AS lost
FROM taken
UNION ALL
SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, token
FROM unnest($6::bigint[], $7::bigint[]) AS held (id, token)
WHERE (id, token) NOT IN (SELECT id, token FROM done);
