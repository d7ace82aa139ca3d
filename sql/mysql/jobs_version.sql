-- The version of the table, as a constraint is called; none in a table of version 1.
SELECT MAX(CAST(SUBSTR(constraint_name, LENGTH('jobs_version_') + 1) AS SIGNED))
FROM information_schema.table_constraints
WHERE table_schema = DATABASE() AND table_name = 'jobs'
    AND LEFT(constraint_name, LENGTH('jobs_version_')) = 'jobs_version_';
