-- Which of these are still held by these tokens, whoever has them locked.
-- What free_held.sql left out is either this or lost.
SELECT jobs.id, jobs.token
FROM unnest($1::bigint[], $2::bigint[]) AS held (id, token)
JOIN jobs ON jobs.id = held.id AND jobs.token = held.token;
