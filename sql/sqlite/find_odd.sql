-- Rows of one line that no take would ever find: to SQLite any text and any blob is greater than all numbers,
-- and so is a year beyond 9998. Text that it knows as a date is answered as milliseconds, too.
SELECT id, CAST(round((julianday(CASE typeof(available_at) WHEN 'text' THEN available_at END) - 2440587.5) * 86400000) AS INTEGER)
FROM jobs
WHERE token IS NULL AND queue = ?1 AND priority = ?2 AND available_at >= 253370764800000
    AND id NOT IN (SELECT value FROM json_each(?3))
LIMIT 100;
