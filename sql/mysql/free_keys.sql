-- These jobs begin: others may have their unique keys. The ids are put in for (0).
UPDATE jobs
SET unique_key = NULL
WHERE id IN (0) AND token = ?;
