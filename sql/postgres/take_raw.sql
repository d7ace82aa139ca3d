-- A row whose text can't be converted for the client, as the bytes that lie there. It is held to be buried.
UPDATE jobs
SET token = $2, lease = now() + $3::bigint * interval '1 ms', reserved_at = now(), attempts = least(attempts, 2147483646) + 1
WHERE id = $1 AND (token IS NULL OR lease <= now())
RETURNING id, uuid, convert_to(name, getdatabaseencoding()), convert_to(queue, getdatabaseencoding()),
    convert_to(payload, getdatabaseencoding()), attempts, priority, available_at, suspect,
    NULL::bigint AS unknown_for, NULL::bytea AS last_error, NULL::bytea AS unique_key, NULL::bytea AS options,
    reserved_at;
