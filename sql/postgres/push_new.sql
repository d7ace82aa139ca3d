-- push_many.sql for jobs that are new and have no unique key: where one is there already it fails, and adds
-- none. It answers arrays, which are read more quickly than rows.
WITH added AS (
    INSERT INTO jobs (uuid, name, queue, payload, priority, available_at, created_at, options)
    SELECT uuid, name, queue, payload, priority, now() + delay * interval '1 ms', $8, options
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::text[])
        AS pushed (uuid, name, queue, payload, priority, delay, options)
    RETURNING id, uuid
)
SELECT array_agg(id), array_agg(uuid)
FROM added;
