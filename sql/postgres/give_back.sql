-- They were not run to an end. What was taken as a suspect stays one: it stays held, by a token that nobody has, until
-- it is due. Where the row does not call it one, its take counted no attempt. Without a delay a clean job keeps its
-- place in line.
-- The rule of attempts and due time is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
SET token = CASE WHEN held.suspect THEN $5::bigint END,
    lease = CASE WHEN held.suspect THEN now() + held.after * interval '1 ms' END,
    reserved_at = NULL,
    available_at = CASE held.after WHEN 0 THEN available_at ELSE now() + held.after * interval '1 ms' END,
    attempts = CASE WHEN held.suspect AND NOT jobs.suspect THEN attempts ELSE greatest(attempts, 1) - 1 END,
    unknown_since = CASE WHEN held.unknown THEN coalesce(unknown_since, now()) ELSE unknown_since END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $6::boolean[])
    AS held (id, token, after, unknown, suspect)
WHERE jobs.id = held.id AND jobs.token = held.token
RETURNING jobs.id, held.token;
