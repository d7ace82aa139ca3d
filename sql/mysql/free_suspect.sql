-- One whose hold has run out and that nobody has locked.
SELECT id
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease <= UTC_TIMESTAMP(6)
    AND FIND_IN_SET(id, ?) = 0
ORDER BY lease
LIMIT 1
FOR UPDATE SKIP LOCKED;
