-- The next queue in the order of names: one look into the index, however many jobs wait in it. Where names
-- differ by spaces at their ends only, to the server they are one: among so many of its jobs, those are told apart.
SELECT queue
FROM (
    SELECT queue FROM jobs
    WHERE queue = (SELECT next.queue FROM jobs AS next WHERE next.queue > ? ORDER BY next.queue LIMIT 1)
    LIMIT ?
) AS equal
GROUP BY queue, LENGTH(queue)
ORDER BY queue;
