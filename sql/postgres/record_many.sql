-- record.sql for many: each array is a column. It answers those that it added.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    created_at, options)
SELECT uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, failed_at, options
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
    $9::text[], $10::text[])
    AS dead (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, options)
ON CONFLICT (uuid) DO NOTHING
RETURNING id, uuid;
