-- A subquery, as MySQL locks no JSON_TABLE that is joined (3569).
SELECT id
FROM failed_jobs
WHERE id IN (SELECT asked.id FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS asked)
ORDER BY id
FOR UPDATE;
