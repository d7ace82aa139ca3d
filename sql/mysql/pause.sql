-- A row that is there stays as it is, and does not count as changed.
INSERT INTO jobs_signals (driver, queue)
VALUES (?, ?)
ON DUPLICATE KEY UPDATE token = token;
