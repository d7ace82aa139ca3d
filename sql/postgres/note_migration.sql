INSERT INTO migrations (name, applied_at)
VALUES ($1, $2);
