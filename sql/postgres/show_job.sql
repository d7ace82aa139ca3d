-- One job, whoever holds it, with all that is kept of it.
SELECT id, uuid::text, name, queue, attempts::bigint, priority::bigint,
    CASE WHEN token IS NOT NULL THEN 'running' WHEN available_at <= now() THEN 'waiting' ELSE 'delayed' END AS state,
    CASE WHEN isfinite(available_at) THEN (extract(epoch FROM available_at - now()) * 1000)::bigint END AS due_in,
    created_at,
    CASE WHEN isfinite(lease) THEN (extract(epoch FROM lease - now()) * 1000)::bigint END AS hold_ends_in,
    suspect,
    CASE WHEN isfinite(unknown_since) THEN (extract(epoch FROM now() - unknown_since) * 1000)::bigint END AS unknown_for,
    payload, options, unique_key, last_error
FROM jobs
WHERE id = $1;
