-- Rows that no take would ever find: due in the year 9999, at infinity, or held until then or without an
-- end. The lines are those of take.sql.
(
    SELECT odd.id
    FROM unnest($1::text[], $2::smallint[]) AS line (queue, priority)
    CROSS JOIN LATERAL (
        SELECT id
        FROM jobs
        WHERE token IS NULL AND jobs.queue = line.queue AND jobs.priority = line.priority AND available_at >= '9999-01-01Z'
        ORDER BY available_at
        LIMIT $3
    ) AS odd
    LIMIT $3
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND (lease >= '9999-01-01Z') AND queue = ANY ($1::text[])
    ORDER BY lease
    LIMIT $3
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE token IS NOT NULL AND lease IS NULL AND queue = ANY ($1::text[])
    ORDER BY lease
    LIMIT $3
);
