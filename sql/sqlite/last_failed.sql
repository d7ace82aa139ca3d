-- Where the table ends now.
SELECT max(id)
FROM failed_jobs;
