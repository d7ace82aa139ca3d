-- The ids are put in for (0). A clean job has one attempt more. The first time a suspect's attempt stays:
-- it may be innocent. Held by a worker in which a job that kills is known at once, it is none. The order of the columns counts: each sees those before it changed.
UPDATE jobs
SET attempts = LEAST(attempts, 2147483646) + IF(token IS NULL, 1, suspect <> 0), suspect = IF(token IS NULL, 0, ?), token = ?,
    lease = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, reserved_at = UTC_TIMESTAMP(6)
WHERE id IN (0);
