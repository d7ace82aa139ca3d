-- The ids of failed jobs by their uuids.
SELECT failed_jobs.id, failed_jobs.uuid
FROM JSON_TABLE(?, '$[*]' COLUMNS (uuid VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS asked
JOIN failed_jobs ON failed_jobs.uuid = asked.uuid;
