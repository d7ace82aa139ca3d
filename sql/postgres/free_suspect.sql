-- One whose hold has run out and that nobody has locked.
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease <= now() AND queue = ANY ($1::text[])
    AND id <> ALL ($2::bigint[])
ORDER BY lease
LIMIT 1
FOR UPDATE SKIP LOCKED;
