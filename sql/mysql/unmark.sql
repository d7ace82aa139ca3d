UPDATE failed_jobs
JOIN JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS asked ON asked.id = failed_jobs.id
SET retried_at = NULL;
