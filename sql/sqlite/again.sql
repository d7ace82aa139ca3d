-- It ran and survived: no suspect any more.
-- The rule of attempts is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
SET token = NULL, lease = NULL, reserved_at = NULL, suspect = 0, unknown_since = NULL,
    ran_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), available_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?3, attempts = max(attempts - ?4, 0), last_error = ?5
WHERE id = ?1 AND token = ?2;
