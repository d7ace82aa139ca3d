-- The failed jobs from an id on by name and the first line of their exception, those that failed last in front.
SELECT name, left(split_part(exception, chr(10), 1), 200) AS first_line, count(*), max(id) AS last
FROM failed_jobs
WHERE id >= $1
    AND driver = $2
GROUP BY name, first_line
ORDER BY last DESC
LIMIT $3;
