DELETE FROM migrations
WHERE name = ?;
