-- What a take would find, without a look at its values. The lines are those of take.sql.
SELECT due.id
FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
CROSS JOIN LATERAL (
    SELECT id
    FROM jobs
    WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at <= now()
        AND id <> ALL ($4::bigint[])
    ORDER BY available_at, id
    LIMIT $3
) AS due
LIMIT $3;
