-- Rows whose queue is no text, and such that are held without an end: nobody ever looks for them.
SELECT id
FROM jobs
WHERE token IS NULL AND queue >= x''
UNION ALL
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease >= 253370764800000
UNION ALL
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease IS NULL
LIMIT 100;
