-- The ids are put in for (0).
UPDATE jobs
SET lease = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
WHERE id IN (0) AND token = ?;
