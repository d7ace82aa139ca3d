DROP TABLE failed_jobs;
