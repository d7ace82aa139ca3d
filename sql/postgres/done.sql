DELETE FROM jobs
USING unnest($1::bigint[], $2::bigint[]) AS held (id, token)
WHERE jobs.id = held.id AND jobs.token = held.token
RETURNING jobs.id, jobs.token;
