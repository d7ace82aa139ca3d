SELECT driver, queue, count(*)
FROM failed_jobs
GROUP BY driver, queue
ORDER BY driver, queue;
