-- The failed jobs from an id on by name and the first line of their exception, those that failed last in front.
SELECT name, substr(substr(exception, 1, instr(exception || char(10), char(10)) - 1), 1, 200) AS first_line, count(*), max(id) AS last
FROM failed_jobs
WHERE id >= ?1
    AND driver = ?2
GROUP BY name, first_line
ORDER BY last DESC
LIMIT ?3;
