DELETE FROM failed_jobs
WHERE retried_at IS NOT NULL AND id IN (SELECT value::bigint FROM json_array_elements_text($1::text::json) AS value);
