-- The indexes of the jobs that are needed and missing.
SELECT wanted.name
FROM (
    SELECT 'jobs_ready' AS name
    UNION ALL SELECT 'jobs_uuid'
    UNION ALL SELECT 'jobs_unique_key'
) AS wanted
WHERE wanted.name NOT IN (SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE());
