-- As held, but what somebody else has locked is passed over.
SELECT id
FROM jobs
WHERE id IN (0) AND token = ?
FOR UPDATE SKIP LOCKED;
