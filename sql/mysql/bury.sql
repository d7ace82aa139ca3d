-- Copies dead jobs, which are locked, to the failed ones. The JSON says which, and what of each. One whose uuid
-- has a failed job already is not copied.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    created_at, options)
SELECT jobs.uuid, ?, ?, jobs.queue, jobs.name, jobs.payload, dead.exception, dead.attempt, dead.failed_at,
    dead.failed_at, dead.kept_options
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    id BIGINT PATH '$.id',
    exception TEXT CHARACTER SET utf8mb4 PATH '$.exception',
    attempt BIGINT PATH '$.attempt',
    failed_at VARCHAR(40) PATH '$.failed_at',
    kept_options TEXT CHARACTER SET utf8mb4 PATH '$.options'
)) AS dead
JOIN jobs ON jobs.id = dead.id
ON DUPLICATE KEY UPDATE id = failed_jobs.id;
