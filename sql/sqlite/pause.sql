INSERT INTO jobs_signals (driver, queue)
VALUES (?1, ?2)
ON CONFLICT (driver, queue) DO NOTHING;
