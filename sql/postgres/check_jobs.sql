-- Fails when the table is missing or older than this version.
SELECT id, uuid, name, queue, payload, attempts, priority, available_at, reserved_at, ran_at, created_at,
    token, lease, suspect, unknown_since, last_error, unique_key, options, held_before, progress
FROM jobs
LIMIT 0;
