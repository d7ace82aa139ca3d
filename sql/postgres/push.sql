INSERT INTO jobs (uuid, name, queue, payload, priority, available_at, unique_key, options, created_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::bigint * interval '1 ms', $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING id, uuid;
