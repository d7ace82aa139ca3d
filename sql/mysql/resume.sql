DELETE FROM jobs_signals
WHERE driver = ? AND queue = ?;
