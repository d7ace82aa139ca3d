-- What was taken under a token, as hold.sql left it; the JSON has the ids. The
-- other databases answer the rows with the take (RETURNING).
SELECT jobs.id, uuid, name, queue, payload, attempts, priority, suspect,
    TIMESTAMPDIFF(MICROSECOND, unknown_since, UTC_TIMESTAMP(6)) DIV 1000, last_error, unique_key, options, available_at,
    TIMESTAMPDIFF(MICROSECOND, available_at, reserved_at) DIV 1000
FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS taken
STRAIGHT_JOIN jobs ON jobs.id = taken.id
WHERE jobs.token = ?;
