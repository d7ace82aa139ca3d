-- Which of these are still due, and locked by nobody else; the ids are put in for (0). hold.sql takes them. Only
-- here a take has three steps: what a locking read goes through stays locked for others.
SELECT id
FROM jobs
WHERE id IN (0) AND lease IS NULL AND available_at <= UTC_TIMESTAMP(6)
FOR UPDATE SKIP LOCKED;
