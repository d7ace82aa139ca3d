-- Only while nobody holds it: a take that is on its way is waited for.
DELETE FROM jobs
WHERE id = $1 AND token IS NULL;
