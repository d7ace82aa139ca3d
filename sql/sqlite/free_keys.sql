-- These jobs begin: others may have their unique keys.
UPDATE jobs
SET unique_key = NULL
WHERE id IN (SELECT value FROM json_each(?1)) AND token = ?2;
