-- What take_suspects.sql would find, without a change, which may be refused. In MySQL take_suspects.sql itself changes
-- nothing.
SELECT id
FROM jobs
WHERE token IS NOT NULL AND lease <= now() AND queue = ANY ($1::text[])
    AND ($4 OR (NOT suspect AND (ran_at = reserved_at) IS NOT TRUE))
    AND id <> ALL ($3::bigint[])
ORDER BY lease
LIMIT $2
FOR UPDATE SKIP LOCKED;
