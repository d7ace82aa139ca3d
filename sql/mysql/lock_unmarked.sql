-- A mark older than a minute was left by a retry that died. A subquery, as MySQL locks no JSON_TABLE that is
-- joined (3569).
SELECT id
FROM failed_jobs
WHERE id IN (SELECT asked.id FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS asked)
    AND (retried_at IS NULL OR retried_at < UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE)
ORDER BY id
FOR UPDATE;
