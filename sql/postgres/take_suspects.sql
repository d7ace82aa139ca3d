-- Jobs whose hold has run out. The first time their attempt stays: they may be innocent. Held by a worker in which
-- a job that kills is known at once, they are no suspects.
UPDATE jobs
SET token = $2, lease = now() + $3::bigint * interval '1 ms', reserved_at = now(),
    attempts = least(attempts, 2147483646) + suspect::integer, suspect = $5
WHERE id = ANY (ARRAY(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease <= now() AND queue = ANY ($1::text[])
    ORDER BY lease
    LIMIT $4
    FOR UPDATE SKIP LOCKED
))
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
