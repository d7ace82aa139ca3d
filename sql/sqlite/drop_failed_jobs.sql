DROP TABLE IF EXISTS failed_jobs;
