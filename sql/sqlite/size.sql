SELECT queue,
    count(*) FILTER (WHERE token IS NULL AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    count(*) FILTER (WHERE token IS NULL AND available_at > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    count(*) FILTER (WHERE token IS NOT NULL),
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - CAST(max(min(available_at) FILTER (WHERE token IS NULL AND available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), 0) AS INTEGER)
FROM jobs
WHERE ?1 = '[]' OR queue IN (SELECT value FROM json_each(?1))
GROUP BY queue
ORDER BY queue;
