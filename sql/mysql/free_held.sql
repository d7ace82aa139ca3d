-- Which of these are still held by that token, and locked by nobody else; the ids are put in for (0).
-- A file of SQLite has no locks of single rows.
SELECT id
FROM jobs
WHERE id IN (0) AND token = ?
FOR UPDATE SKIP LOCKED;
