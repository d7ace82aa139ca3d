-- It ran and survived: no suspect any more.
-- The rule of attempts is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
SET token = NULL, lease = NULL, reserved_at = NULL, suspect = 0, unknown_since = NULL, ran_at = UTC_TIMESTAMP(6),
    available_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, attempts = GREATEST(attempts - ?, 0), last_error = ?
WHERE id = ? AND token = ?;
