INSERT INTO jobs_signals (driver, queue, token)
VALUES (?1, '', ?2)
ON CONFLICT (driver, queue) DO UPDATE SET token = excluded.token;
