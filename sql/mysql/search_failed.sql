-- A page of the failed jobs between two ids, the newest first, with long texts cut.
SELECT id, uuid, failed_jobs.driver, connection, failed_jobs.queue, failed_jobs.name, LEFT(payload, 200), LEFT(exception, 2000),
    attempts, failed_at, options
FROM (SELECT ? AS before_id, ? AS floor_id, ? AS driver, ? AS queue, ? AS name, ? AS first_line, LOWER(?) AS pattern) AS asked
CROSS JOIN failed_jobs
WHERE id < asked.before_id
    AND id >= asked.floor_id
    AND failed_jobs.driver = asked.driver
    AND (asked.queue IS NULL OR failed_jobs.queue = asked.queue)
    AND (asked.name IS NULL OR failed_jobs.name = asked.name)
    AND (asked.first_line IS NULL OR LEFT(SUBSTRING_INDEX(exception, '\n', 1), 200) = asked.first_line)
    AND (
        asked.pattern IS NULL
        OR LOWER(failed_jobs.name) LIKE asked.pattern
        OR LOWER(exception) LIKE asked.pattern
        OR LOWER(payload) LIKE asked.pattern
        OR uuid LIKE asked.pattern
        OR LOWER(options) LIKE asked.pattern
    )
ORDER BY id DESC
LIMIT ?;
