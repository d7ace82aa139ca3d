-- The job that waits with this key becomes the one that is pushed. It keeps its id and its uuid.
UPDATE jobs
SET name = ?2, queue = ?3, payload = ?4, priority = ?5, available_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?6, created_at = ?7, options = ?8,
    attempts = 0, ran_at = NULL, unknown_since = NULL, last_error = NULL
WHERE unique_key = ?1 AND token IS NULL
RETURNING id;
