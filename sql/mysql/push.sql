-- One row; for more of them, what is in the last brackets is repeated.
INSERT INTO jobs (uuid, name, queue, payload, priority, available_at, created_at, unique_key, options)
VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, ?, ?, ?);
