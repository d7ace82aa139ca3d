DELETE FROM jobs
WHERE id = ?1 AND token = ?2;
