SELECT id, uuid = $1
FROM jobs
WHERE uuid = $1 OR unique_key = $2
ORDER BY uuid = $1 DESC
LIMIT 1;
