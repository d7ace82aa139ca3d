-- Where a search through so many failed jobs, the newest first, ends.
SELECT id
FROM failed_jobs
WHERE id < ?1
ORDER BY id DESC
LIMIT 1 OFFSET ?2;
