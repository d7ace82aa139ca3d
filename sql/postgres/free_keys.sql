-- These jobs begin: others may have their unique keys.
UPDATE jobs
SET unique_key = NULL
WHERE id IN (SELECT json_array_elements_text($1::text::json)::bigint) AND token = $2::bigint;
