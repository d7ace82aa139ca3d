-- One job, whoever holds it, with all that is kept of it.
SELECT id, uuid, name, queue, attempts, priority,
    CASE WHEN token IS NOT NULL THEN 'running' WHEN available_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) THEN 'waiting' ELSE 'delayed' END AS state,
    CAST(available_at - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS INTEGER), created_at,
    CAST(lease - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS INTEGER), suspect,
    CAST(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - unknown_since AS INTEGER),
    payload, options, unique_key, last_error
FROM jobs
WHERE id = ?1;
