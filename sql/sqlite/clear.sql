DELETE FROM jobs
WHERE token IS NULL AND queue = ?1;
