-- As count_failed, of so many at most.
SELECT driver, queue, count(*)
FROM (SELECT driver, queue FROM failed_jobs LIMIT ?1)
GROUP BY driver, queue
ORDER BY driver, queue;
