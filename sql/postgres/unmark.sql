UPDATE failed_jobs
SET retried_at = NULL
WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::text::json) AS value);
