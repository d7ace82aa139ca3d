-- One row, if it still is what it was found as: due ('fresh'), held until a time that is over ('suspect'), or such
-- that no take would ever find it ('odd', see find_odd.sql). Attempts are counted as in take.sql and take_suspects.sql.
UPDATE jobs
SET token = $2, lease = now() + $3::bigint * interval '1 ms', reserved_at = now(),
    attempts = least(attempts, 2147483646) + CASE $4::text WHEN 'suspect' THEN suspect::integer ELSE 1 END,
    suspect = CASE $4::text WHEN 'suspect' THEN $5 ELSE suspect END,
    ran_at = CASE WHEN $4::text = 'suspect' AND NOT $5 THEN now() ELSE ran_at END
WHERE id = ANY (ARRAY(
    SELECT id
    FROM jobs
    WHERE id = $1 AND queue = ANY ($6::text[]) AND CASE $4::text
        WHEN 'fresh' THEN token IS NULL AND available_at <= now()
        WHEN 'suspect' THEN token IS NOT NULL AND lease <= now()
            AND ($5 OR (NOT suspect AND (ran_at = reserved_at) IS NOT TRUE))
        WHEN 'odd' THEN token IS NULL AND available_at >= '9999-01-01Z'
            OR token IS NOT NULL AND (lease >= '9999-01-01Z' OR lease IS NULL)
    END
    FOR UPDATE SKIP LOCKED
))
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
