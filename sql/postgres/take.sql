-- The lines are pairs of a queue and a priority, in the order in which they are served. Each is one look
-- into the index; no look is made once enough jobs are found. It passes over the rows that the database does
-- not let anybody take.
-- Attempts are counted as Lifecycle::take says (src/driver/job_state.rs).
UPDATE jobs
SET token = $3, lease = now() + $4::bigint * interval '1 ms', reserved_at = now(), attempts = least(attempts, 2147483646) + 1
WHERE id = ANY (ARRAY(
    SELECT due.id
    FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
    CROSS JOIN LATERAL (
        SELECT id
        FROM jobs
        WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at <= now()
            AND id <> ALL ($6::bigint[])
        ORDER BY available_at, id
        LIMIT $5
        FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT $5
))
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
