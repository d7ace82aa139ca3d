SELECT queue,
    count(*) FILTER (WHERE token IS NULL AND available_at <= now()),
    count(*) FILTER (WHERE token IS NULL AND available_at > now()),
    count(*) FILTER (WHERE token IS NOT NULL),
    (extract(epoch FROM now() - min(available_at) FILTER (WHERE token IS NULL AND available_at <= now() AND isfinite(available_at))) * 1000)::bigint
FROM jobs
WHERE $1::text = '[]' OR queue IN (SELECT json_array_elements_text($1::text::json))
GROUP BY queue
ORDER BY queue;
