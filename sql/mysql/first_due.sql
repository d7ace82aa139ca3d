-- In how many ms the first clean job of a priority is due. It reads one entry of the index, whatever waits
-- for later. A date of zeros is over.
SELECT COALESCE((TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), available_at) + 999) DIV 1000, 0)
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority = ? AND FIND_IN_SET(id, ?) = 0
ORDER BY available_at
LIMIT 1;
