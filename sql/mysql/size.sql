SELECT queue,
    CAST(SUM(token IS NULL AND available_at <= UTC_TIMESTAMP(6)) AS SIGNED),
    CAST(SUM(token IS NULL AND available_at > UTC_TIMESTAMP(6)) AS SIGNED),
    CAST(SUM(token IS NOT NULL) AS SIGNED),
    TIMESTAMPDIFF(
        MICROSECOND, MIN(IF(token IS NULL AND available_at <= UTC_TIMESTAMP(6), available_at, NULL)), UTC_TIMESTAMP(6)
    ) DIV 1000
FROM jobs
CROSS JOIN (SELECT ? AS queues) AS asked
WHERE asked.queues = '[]' OR JSON_CONTAINS(asked.queues, JSON_QUOTE(queue))
GROUP BY queue, LENGTH(queue)
ORDER BY queue;
