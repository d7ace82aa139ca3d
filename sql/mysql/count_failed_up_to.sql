-- As count_failed, of so many at most.
SELECT driver, queue, COUNT(*)
FROM (SELECT driver, queue FROM failed_jobs LIMIT ?) AS first
GROUP BY driver, queue
ORDER BY driver, queue;
