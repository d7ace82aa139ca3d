DELETE FROM craft_migrations
WHERE name = $1;
