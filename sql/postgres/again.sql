-- They ran and survived: no suspects any more.
-- The rule of attempts is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
SET token = NULL, lease = NULL, reserved_at = NULL, suspect = false, unknown_since = NULL, ran_at = now(),
    available_at = now() + held.after * interval '1 ms',
    attempts = greatest(jobs.attempts - held.uncounted, 0), last_error = held.error
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[])
    AS held (id, token, after, uncounted, error)
WHERE jobs.id = held.id AND jobs.token = held.token
RETURNING jobs.id, held.token;
