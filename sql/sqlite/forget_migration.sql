DELETE FROM migrations
WHERE name = ?1;
