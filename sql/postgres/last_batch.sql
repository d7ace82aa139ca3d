-- What the last migrate applied.
SELECT name
FROM craft_migrations
WHERE batch = (SELECT max(batch) FROM craft_migrations);
