-- They were not run to an end. A suspect stays one: it stays held, by a token that nobody has, until it
-- is due. Without a delay a clean job keeps its place in line.
UPDATE jobs
SET token = CASE WHEN suspect THEN $5::bigint END,
    lease = CASE WHEN suspect THEN now() + held.after * interval '1 ms' END,
    reserved_at = NULL,
    available_at = CASE held.after WHEN 0 THEN available_at ELSE now() + held.after * interval '1 ms' END,
    attempts = greatest(attempts, 1) - 1,
    unknown_since = CASE WHEN held.unknown THEN coalesce(unknown_since, now()) ELSE unknown_since END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[]) AS held (id, token, after, unknown)
WHERE jobs.id = held.id AND jobs.token = held.token
RETURNING jobs.id, held.token;
