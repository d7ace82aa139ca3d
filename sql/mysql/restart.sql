INSERT INTO jobs_signals (driver, queue, token)
VALUES (?, '', ?)
ON DUPLICATE KEY UPDATE token = VALUES(token);
