-- Moves dead jobs to the failed ones, in one step. The arrays say which, and what of each; $7 and $8 are their
-- driver and connection. failed is null for a uuid that has a failed job already.
WITH dead AS (
    DELETE FROM jobs
    USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[])
        AS held (id, token, exception, attempt, failed_at, kept_options)
    WHERE jobs.id = held.id AND jobs.token = held.token
    RETURNING jobs.id, jobs.token, jobs.uuid::text AS uuid, jobs.queue, jobs.name, jobs.payload, held.exception,
        held.attempt, held.failed_at, held.kept_options
), failed AS (
    INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
        created_at, options)
    SELECT uuid, $7, $8, queue, name, payload, exception, attempt, failed_at, failed_at, kept_options
    FROM dead
    ON CONFLICT (uuid) DO NOTHING
    RETURNING id, uuid
)
SELECT dead.id, dead.token, failed.id AS failed
FROM dead
LEFT JOIN failed ON failed.uuid = dead.uuid;
