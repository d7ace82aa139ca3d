-- With a lock, as a transaction of the caller's may not see otherwise what was committed after it began.
(SELECT id, 1 AS itself FROM jobs WHERE uuid = ? LOCK IN SHARE MODE)
UNION ALL
(SELECT id, 0 FROM jobs WHERE unique_key = ? LOCK IN SHARE MODE)
ORDER BY itself DESC
LIMIT 1;
