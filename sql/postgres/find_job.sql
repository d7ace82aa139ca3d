SELECT id
FROM jobs
WHERE uuid = $1;
