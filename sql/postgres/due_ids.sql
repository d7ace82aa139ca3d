-- What take.sql would find, without a change, which may be refused. The lines are those of take.sql. In MySQL take.sql
-- itself changes nothing.
SELECT due.id
FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
CROSS JOIN LATERAL (
    SELECT id
    FROM jobs
    WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at <= now()
        AND id <> ALL ($4::bigint[])
    ORDER BY available_at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
) AS due
LIMIT $3;
