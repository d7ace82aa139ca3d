-- Brings a table of jobs back to version 1. All jobs stay as they are.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_version_2,
    DROP COLUMN held_before,
    DROP COLUMN progress;
