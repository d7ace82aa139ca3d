SELECT driver, queue, COUNT(*)
FROM failed_jobs
GROUP BY driver, queue
ORDER BY driver, queue;
