-- Rows that somebody else has locked are left out: they must not keep the other holds from being renewed.
UPDATE jobs
SET lease = now() + $3::bigint * interval '1 ms'
WHERE id = ANY (ARRAY(
    SELECT jobs.id
    FROM unnest($1::bigint[], $2::bigint[]) AS held (id, token)
    JOIN jobs ON jobs.id = held.id AND jobs.token = held.token
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
))
RETURNING id, token;
