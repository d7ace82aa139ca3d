-- The queues that have jobs. One look into the index for each, however many wait in it; few jobs are held.
WITH RECURSIVE clean (queue) AS (
    SELECT (SELECT queue FROM jobs WHERE token IS NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM jobs WHERE token IS NULL AND queue > clean.queue ORDER BY queue LIMIT 1)
    FROM clean
    WHERE clean.queue IS NOT NULL
)
SELECT queue
FROM clean
WHERE queue IS NOT NULL
UNION
SELECT queue
FROM jobs
WHERE token IS NOT NULL
ORDER BY queue;
