-- What version 0.1.0 looked for.
SELECT id, uuid, name, queue, payload, attempts, priority, available_at, reserved_at, ran_at, created_at,
    token, lease, suspect, unknown_since, last_error, unique_key, options
FROM jobs
LIMIT 0;
