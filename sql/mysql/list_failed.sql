-- failed_at is text with its offset from UTC, for people. CONVERT_TZ answers NULL for offsets beyond 13 hours.
SELECT id, uuid, failed_jobs.driver, connection, failed_jobs.queue, failed_jobs.name, payload, exception, attempts,
    failed_at, options
FROM (SELECT ? AS after, ? AS id_only, ? AS driver, ? AS queue, ? AS name, ? AS since, ? AS until) AS asked
CROSS JOIN failed_jobs
WHERE id > asked.after
    AND (asked.id_only IS NULL OR id = asked.id_only)
    AND (asked.driver IS NULL OR failed_jobs.driver = asked.driver)
    AND (asked.queue IS NULL OR failed_jobs.queue = asked.queue)
    AND (asked.name IS NULL OR failed_jobs.name = asked.name)
    AND (asked.since IS NULL OR TIMESTAMPDIFF(MICROSECOND, REPLACE(LEFT(failed_at, LENGTH(failed_at) - IF(failed_at LIKE '%Z', 1, 6)), 'T', ' '), UTC_TIMESTAMP(6))
        + IF(failed_at LIKE '%Z', 0, TIME_TO_SEC(RIGHT(failed_at, 5))) * IF(failed_at LIKE '%-__:__', -1000000, 1000000) <= asked.since * 1000)
    AND (asked.until IS NULL OR TIMESTAMPDIFF(MICROSECOND, REPLACE(LEFT(failed_at, LENGTH(failed_at) - IF(failed_at LIKE '%Z', 1, 6)), 'T', ' '), UTC_TIMESTAMP(6))
        + IF(failed_at LIKE '%Z', 0, TIME_TO_SEC(RIGHT(failed_at, 5))) * IF(failed_at LIKE '%-__:__', -1000000, 1000000) >= asked.until * 1000)
ORDER BY id
LIMIT ?;
