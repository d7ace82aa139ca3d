-- As size for one queue, but no count goes on beyond a bound: each reads that many entries of an index at most.
SELECT
    (
        SELECT COUNT(*)
        FROM (
            SELECT 1 FROM jobs
            WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at <= UTC_TIMESTAMP(6)
            LIMIT ?
        ) AS counted
    ),
    (
        SELECT COUNT(*)
        FROM (
            SELECT 1 FROM jobs
            WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) AND available_at > UTC_TIMESTAMP(6)
            LIMIT ?
        ) AS counted
    ),
    (
        SELECT COUNT(*)
        FROM (
            SELECT 1 FROM jobs
            WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NOT NULL
            LIMIT ?
        ) AS counted
    );
