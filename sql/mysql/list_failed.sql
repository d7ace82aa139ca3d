-- failed_at is text with its offset from UTC, for people.
SELECT id, uuid, failed_jobs.driver, connection, failed_jobs.queue, failed_jobs.name, payload, exception, attempts,
    failed_at, options
FROM (SELECT ? AS after, ? AS id_only, ? AS driver, ? AS queue, ? AS name, ? AS since, ? AS until) AS asked
CROSS JOIN failed_jobs
WHERE id > asked.after
    AND (asked.id_only IS NULL OR id = asked.id_only)
    AND (asked.driver IS NULL OR failed_jobs.driver = asked.driver)
    AND (asked.queue IS NULL OR failed_jobs.queue = asked.queue)
    AND (asked.name IS NULL OR failed_jobs.name = asked.name)
    AND (asked.since IS NULL OR CONVERT_TZ(REPLACE(SUBSTR(failed_at, 1, 23), 'T', ' '), IF(failed_at LIKE '%Z', '+00:00', RIGHT(failed_at, 6)), '+00:00') >= UTC_TIMESTAMP(6) - INTERVAL asked.since * 1000 MICROSECOND)
    AND (asked.until IS NULL OR CONVERT_TZ(REPLACE(SUBSTR(failed_at, 1, 23), 'T', ' '), IF(failed_at LIKE '%Z', '+00:00', RIGHT(failed_at, 6)), '+00:00') <= UTC_TIMESTAMP(6) - INTERVAL asked.until * 1000 MICROSECOND)
ORDER BY id
LIMIT ?;
