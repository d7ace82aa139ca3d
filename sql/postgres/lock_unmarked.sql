-- A mark older than a minute was left by a retry that died.
SELECT id
FROM failed_jobs
WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::text::json) AS value)
    AND (retried_at IS NULL OR retried_at < now() - interval '1 minute')
ORDER BY id
FOR UPDATE;
