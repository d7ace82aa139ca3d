UPDATE jobs
SET lease = now() + $3::bigint * interval '1 ms'
FROM unnest($1::bigint[], $2::bigint[]) AS held (id, token)
WHERE jobs.id = held.id AND jobs.token = held.token
RETURNING jobs.id, jobs.token;
