-- The job that waits with this key becomes the one that is pushed. It keeps its id, which is answered as the
-- last one, and its uuid.
UPDATE jobs
SET id = LAST_INSERT_ID(id), name = ?, queue = ?, payload = ?, priority = ?,
    available_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, created_at = ?, options = ?,
    attempts = 0, ran_at = NULL, unknown_since = NULL, last_error = NULL
WHERE unique_key = ? AND token IS NULL;
