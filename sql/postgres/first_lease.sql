-- In how many ms the first hold ends.
SELECT ceil(extract(epoch FROM lease - now()) * 1000)::bigint
FROM jobs
WHERE token IS NOT NULL AND queue = ANY (SELECT json_array_elements_text($1::text::json))
ORDER BY lease
LIMIT 1;
