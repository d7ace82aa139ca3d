DROP TABLE IF EXISTS jobs_signals;
DROP TABLE jobs;
