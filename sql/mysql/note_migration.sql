INSERT INTO craft_migrations (name, batch, applied_at)
VALUES (?, ?, ?);
