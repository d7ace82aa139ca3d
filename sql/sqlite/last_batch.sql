-- What the last migrate applied.
SELECT name
FROM migrations
WHERE batch = (SELECT max(batch) FROM migrations);
