-- The indexes of the jobs that are needed and missing.
SELECT wanted.name
FROM unnest(ARRAY['jobs_ready', 'jobs_held', 'jobs_uuid', 'jobs_unique_key']) AS wanted (name)
WHERE wanted.name NOT IN (SELECT indexname FROM pg_indexes WHERE schemaname = ANY (current_schemas(false)));
