-- In how many ms the first hold of a queue ends.
SELECT (TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), lease) + 999) DIV 1000
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NOT NULL
ORDER BY lease
LIMIT 1;
