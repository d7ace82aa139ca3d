-- What take.sql would find, without a lock; lock_due.sql locks it. The other databases take by ids in one statement.
SELECT id, available_at
FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority = ? AND available_at >= ? AND available_at <= UTC_TIMESTAMP(6)
    AND FIND_IN_SET(id, ?) = 0
ORDER BY available_at, id
LIMIT ?;
