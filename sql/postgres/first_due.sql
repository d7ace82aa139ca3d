-- In how many ms the first clean job is due: one look into the index for each queue and priority,
-- whatever waits for later. What is due in the year 9999 or never is left to find_odd.sql.
SELECT CASE
    WHEN min(first.available_at) <= now() THEN 0
    ELSE ceil(extract(epoch FROM min(first.available_at) - now()) * 1000)::bigint
END
FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
CROSS JOIN LATERAL (
    SELECT available_at
    FROM jobs
    WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority
        AND available_at < '9999-01-01Z' AND id <> ALL ($3::bigint[])
    ORDER BY available_at
    LIMIT 1
) AS first;
