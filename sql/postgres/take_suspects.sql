-- Jobs whose hold has run out. The first time their attempt stays: they may be innocent. A worker in which a job that
-- kills is known at once runs them beside other jobs, and is charged to none of them: the row does not call them
-- suspects, and says with ran_at that they were handed out so. If it dies nevertheless, they run alone from then on,
-- in the hands of a worker whose death is charged to them.
-- The rule of attempts is Lifecycle::take (src/driver/job_state.rs).
UPDATE jobs
SET token = $2, lease = now() + $3::bigint * interval '1 ms', reserved_at = now(),
    attempts = least(attempts, 2147483646) + suspect::integer, suspect = $5,
    ran_at = CASE WHEN $5 THEN ran_at ELSE now() END
WHERE id = ANY (ARRAY(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease <= now() AND queue = ANY ($1::text[])
        AND ($5 OR (NOT suspect AND (ran_at = reserved_at) IS NOT TRUE))
        AND id <> ALL ($6::bigint[])
    ORDER BY lease
    LIMIT $4
    FOR UPDATE SKIP LOCKED
))
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
