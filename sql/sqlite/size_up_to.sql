-- As size, but no count goes on beyond ?2: each reads that many entries of an index at most.
SELECT asked.value,
    (
        SELECT count(*)
        FROM (
            SELECT 1 FROM jobs
            WHERE token IS NULL AND queue = asked.value AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
            LIMIT ?2
        )
    ),
    (
        SELECT count(*)
        FROM (
            SELECT 1 FROM jobs
            WHERE token IS NULL AND queue = asked.value AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
            LIMIT ?2
        )
    ),
    (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE token IS NOT NULL AND queue = asked.value LIMIT ?2)),
    (
        SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - CAST(max(min(first.due), 0) AS INTEGER)
        FROM (
            SELECT (
                SELECT available_at FROM jobs
                WHERE token IS NULL AND queue = asked.value AND priority = line.value
                ORDER BY available_at
                LIMIT 1
            ) AS due
            FROM json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]') AS line
        ) AS first
        WHERE first.due <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
    )
FROM json_each(?1) AS asked;
