-- At most 10,000 at a time: none takes long.
DELETE FROM jobs
WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL
LIMIT 10000;
