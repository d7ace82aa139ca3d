-- In how many ms the first hold ends. One that ended before 1970 is over, however long ago somebody says it was.
SELECT CAST(max(lease, 0) AS INTEGER) - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
FROM jobs
WHERE token IS NOT NULL AND lease < 253370764800000 AND queue IN (SELECT value FROM json_each(?1))
    AND id NOT IN (SELECT value FROM json_each(?2))
ORDER BY lease
LIMIT 1;
