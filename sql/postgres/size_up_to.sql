-- As size, but no count goes on beyond $2: each reads that many entries of an index at most.
SELECT asked.queue,
    (
        SELECT count(*)
        FROM (
            SELECT FROM jobs
            WHERE token IS NULL AND jobs.queue = asked.queue AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at <= now()
            LIMIT $2
        ) AS waiting
    ),
    (
        SELECT count(*)
        FROM (
            SELECT FROM jobs
            WHERE token IS NULL AND jobs.queue = asked.queue AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at > now()
            LIMIT $2
        ) AS delayed
    ),
    (
        SELECT count(*)
        FROM (SELECT FROM jobs WHERE token IS NOT NULL AND jobs.queue = asked.queue LIMIT $2) AS held
    ),
    (
        SELECT (extract(epoch FROM now() - min(first.available_at)) * 1000)::bigint
        FROM generate_series(0, 9) AS line (priority)
        CROSS JOIN LATERAL (
            SELECT available_at FROM jobs
            WHERE token IS NULL AND jobs.queue = asked.queue AND jobs.priority = line.priority
            ORDER BY available_at
            LIMIT 1
        ) AS first
        WHERE first.available_at <= now() AND isfinite(first.available_at)
    )
FROM json_array_elements_text($1::text::json) AS asked (queue);
