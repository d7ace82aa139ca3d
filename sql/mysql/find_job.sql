SELECT id
FROM jobs
WHERE uuid = ?;
