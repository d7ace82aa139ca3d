-- Only while nobody holds it.
DELETE FROM jobs
WHERE id = ?1 AND token IS NULL;
