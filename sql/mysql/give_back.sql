-- It was not run to an end. What was taken as a suspect stays one: it stays held, by a token that nobody has, until
-- it is due. Where the row does not call it one, its take counted no attempt. Without a delay a clean job keeps its
-- place in line.
-- The rule of attempts and due time is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
CROSS JOIN (SELECT ? AS token, ? AS after, ? AS unknown, ? AS suspect) AS given
SET jobs.token = IF(given.suspect = 1, given.token, NULL),
    lease = IF(given.suspect = 1, UTC_TIMESTAMP(6) + INTERVAL given.after MICROSECOND, NULL),
    reserved_at = NULL,
    available_at = IF(given.after = 0, available_at, UTC_TIMESTAMP(6) + INTERVAL given.after MICROSECOND),
    attempts = IF(given.suspect = 1 AND jobs.suspect = 0, attempts, GREATEST(attempts - 1, 0)),
    unknown_since = IF(given.unknown = 1, COALESCE(unknown_since, UTC_TIMESTAMP(6)), unknown_since)
WHERE jobs.id = ? AND jobs.token = ?;
