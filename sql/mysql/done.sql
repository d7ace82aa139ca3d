-- The ids are put in for (0).
DELETE FROM jobs
WHERE id IN (0) AND token = ?;
