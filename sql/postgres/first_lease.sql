-- In how many ms the first hold ends.
SELECT CASE WHEN lease <= now() THEN 0 ELSE ceil(extract(epoch FROM lease - now()) * 1000)::bigint END
FROM jobs
WHERE token IS NOT NULL AND lease < '9999-01-01Z' AND queue = ANY (SELECT json_array_elements_text($1::text::json))
    AND id NOT IN (SELECT json_array_elements_text($2::text::json)::bigint)
ORDER BY lease
LIMIT 1;
