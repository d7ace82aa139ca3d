-- In how many ms the first hold of a queue ends. A date of zeros is over.
SELECT COALESCE((TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), lease) + 999) DIV 1000, 0)
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NOT NULL AND FIND_IN_SET(id, ?) = 0
ORDER BY lease
LIMIT 1;
