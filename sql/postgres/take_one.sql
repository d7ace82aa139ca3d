-- Takes one row, which lock_one.sql has locked as such a one. Attempts are counted as in take.sql and take_suspects.sql.
-- MySQL, which answers no row that it changes, has hold.sql for it.
UPDATE jobs
SET token = $2, lease = now() + $3::bigint * interval '1 ms', reserved_at = now(),
    attempts = least(attempts, 2147483646) + CASE $4::text WHEN 'suspect' THEN suspect::integer ELSE 1 END,
    suspect = CASE $4::text WHEN 'suspect' THEN $5 ELSE suspect END,
    ran_at = CASE WHEN $4::text = 'suspect' AND NOT $5 THEN now() ELSE ran_at END
WHERE id = $1
RETURNING id, uuid, name, queue, payload, attempts, priority, available_at, suspect,
    (extract(epoch FROM now() - CASE WHEN isfinite(unknown_since) THEN unknown_since END) * 1000)::bigint AS unknown_for, last_error, unique_key, options,
    reserved_at;
