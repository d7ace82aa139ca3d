-- The failed jobs from an id on by name and the first line of their exception, those that failed last in front.
SELECT name, LEFT(SUBSTRING_INDEX(exception, '\n', 1), 200) AS first_line, COUNT(*), MAX(id) AS last
FROM failed_jobs
WHERE id >= ?
    AND driver = ?
GROUP BY name, first_line
ORDER BY last DESC
LIMIT ?;
