-- Whether exactly this failure was recorded.
SELECT id
FROM failed_jobs
WHERE uuid = $1 AND failed_at = $2 AND attempts = $3;
