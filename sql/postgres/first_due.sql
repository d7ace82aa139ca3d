-- In how many ms the first clean job is due: one look into the index for each queue and priority,
-- whatever waits for later.
SELECT ceil(extract(epoch FROM min(first.available_at) - now()) * 1000)::bigint
FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
CROSS JOIN LATERAL (
    SELECT available_at
    FROM jobs
    WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority
    ORDER BY available_at
    LIMIT 1
) AS first;
