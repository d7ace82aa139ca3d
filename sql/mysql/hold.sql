-- The ids are put in for (0). A clean job has one attempt more. The first time a suspect's attempt stays:
-- it may be innocent. A worker in which a job that kills is known at once runs it beside other jobs, and is not charged
-- to it: the row does not call it a suspect, and says with ran_at that it was handed out so. If that worker dies
-- nevertheless, the job runs alone from then on, in the hands of a worker whose death is charged to it. The order of
-- the columns counts: each sees those before it changed.
-- A priority that a session wrote which checks no constraints would keep the row from being changed.
UPDATE jobs
SET attempts = LEAST(attempts, 2147483646) + IF(token IS NULL, 1, suspect <> 0), ran_at = IF(token IS NULL OR ? = 1, ran_at, UTC_TIMESTAMP(6)), suspect = IF(token IS NULL, 0, ?), token = ?,
    lease = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, reserved_at = UTC_TIMESTAMP(6),
    priority = IF(priority BETWEEN 0 AND 9, priority, 0)
WHERE id IN (0);
