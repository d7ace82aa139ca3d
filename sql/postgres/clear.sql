-- At most 10,000 at a time: none takes long.
DELETE FROM jobs
WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE token IS NULL AND queue = $1 LIMIT 10000 FOR UPDATE));
