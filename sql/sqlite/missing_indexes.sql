-- The indexes of the jobs that are needed and missing.
SELECT wanted.value
FROM json_each('["jobs_ready", "jobs_held", "jobs_uuid", "jobs_unique_key"]') AS wanted
WHERE wanted.value NOT IN (SELECT name FROM sqlite_master WHERE type = 'index');
