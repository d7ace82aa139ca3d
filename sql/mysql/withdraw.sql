DELETE FROM failed_jobs
WHERE uuid = ?;
