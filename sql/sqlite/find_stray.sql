-- Rows whose queue is no text, and such that are held without an end: nobody ever looks for them.
SELECT id
FROM jobs
WHERE token IS NULL AND queue >= x'' AND id NOT IN (SELECT value FROM json_each(?1))
UNION ALL
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease >= 253370764800000 AND id NOT IN (SELECT value FROM json_each(?1))
UNION ALL
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease IS NULL AND id NOT IN (SELECT value FROM json_each(?1))
LIMIT 100;
