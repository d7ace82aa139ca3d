-- Whether exactly this failure was recorded.
SELECT id
FROM failed_jobs
WHERE uuid = ? AND failed_at = ? AND attempts = ?;
