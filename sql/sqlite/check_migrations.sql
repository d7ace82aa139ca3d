-- Fails when the table is missing, or is not ours.
SELECT name, batch, applied_at
FROM craft_migrations
LIMIT 0;
