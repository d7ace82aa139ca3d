INSERT INTO migrations (name, batch, applied_at)
VALUES (?, ?, ?);
