-- As count_failed, of so many at most.
SELECT driver, queue, count(*)
FROM (SELECT driver, queue FROM failed_jobs ORDER BY id LIMIT $1) AS first
GROUP BY driver, queue
ORDER BY driver, queue;
