-- Options may be as long as those of a job. Where they may already, the server does nothing. The
-- other databases have no short texts.
ALTER TABLE failed_jobs
    MODIFY COLUMN options LONGTEXT NULL;
