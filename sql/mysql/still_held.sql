-- Which of these are still held by that token, whoever has them locked; the ids are put in for (0).
-- What free_held.sql left out is either this or lost.
SELECT id
FROM jobs
WHERE id IN (0) AND token = ?;
