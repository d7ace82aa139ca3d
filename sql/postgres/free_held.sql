-- Which of these are still held by these tokens, and locked by nobody else.
-- A file of SQLite has no locks of single rows.
SELECT jobs.id, jobs.token
FROM unnest($1::bigint[], $2::bigint[]) AS held (id, token)
JOIN jobs ON jobs.id = held.id AND jobs.token = held.token
FOR UPDATE OF jobs SKIP LOCKED;
