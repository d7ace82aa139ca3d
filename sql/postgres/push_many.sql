-- Each array is a column of the pushed jobs.
INSERT INTO jobs (uuid, name, queue, payload, priority, available_at, created_at, unique_key, options)
SELECT uuid, name, queue, payload, priority, now() + delay * interval '1 ms', $9, unique_key, options
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::text[], $8::text[])
    AS pushed (uuid, name, queue, payload, priority, delay, unique_key, options)
ON CONFLICT DO NOTHING
RETURNING id, uuid;
