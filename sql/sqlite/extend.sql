UPDATE jobs
SET lease = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?3
WHERE id = ?1 AND token = ?2;
