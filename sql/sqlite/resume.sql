DELETE FROM jobs_signals
WHERE driver = ?1 AND queue = ?2;
