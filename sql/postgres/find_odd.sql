-- Rows that no take would ever find: due in the year 9999 or at infinity, of a priority that no line of take.sql has,
-- or held until then or without an end. The lines are those of take.sql. It passes over the rows that the database does
-- not let anybody take.
(
    SELECT odd.id
    FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
    CROSS JOIN LATERAL (
        SELECT id
        FROM jobs
        WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at >= '9999-01-01Z'
            AND id <> ALL ($4::bigint[])
        ORDER BY available_at
        LIMIT $3
    ) AS odd
    LIMIT $3
)
UNION ALL
(
    SELECT odd.id
    FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
    CROSS JOIN LATERAL (
        (
            SELECT id
            FROM jobs
            WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority > 9
                AND (available_at <= now() OR available_at >= '9999-01-01Z') AND id <> ALL ($4::bigint[])
            LIMIT $3
        )
        UNION ALL
        (
            SELECT id
            FROM jobs
            WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority < 0
                AND (available_at <= now() OR available_at >= '9999-01-01Z') AND id <> ALL ($4::bigint[])
            LIMIT $3
        )
    ) AS odd
    WHERE line.priority = 0
    LIMIT $3
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease >= '9999-01-01Z' AND queue = ANY ($1::text[]) AND id <> ALL ($4::bigint[])
    ORDER BY lease
    LIMIT $3
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease IS NULL AND queue = ANY ($1::text[]) AND id <> ALL ($4::bigint[])
    ORDER BY lease
    LIMIT $3
);
