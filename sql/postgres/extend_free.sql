-- As extend, but what somebody else has locked is passed over: it keeps no other hold from being renewed.
WITH free AS (
    SELECT jobs.id, jobs.token
    FROM jobs
    JOIN unnest($1::bigint[], $2::bigint[]) AS held (id, token) ON jobs.id = held.id AND jobs.token = held.token
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs
SET lease = now() + $3::bigint * interval '1 ms'
FROM free
WHERE jobs.id = free.id AND jobs.token = free.token
RETURNING jobs.id, jobs.token;
