INSERT INTO jobs (uuid, name, queue, payload, priority, available_at, created_at, unique_key, options)
VALUES (?1, ?2, ?3, ?4, ?5, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?6, ?7, ?8, ?9)
ON CONFLICT DO NOTHING;
