SELECT failed_jobs.id
FROM failed_jobs
JOIN JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS asked ON asked.id = failed_jobs.id
ORDER BY failed_jobs.id
FOR UPDATE;
