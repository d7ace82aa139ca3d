-- Brings a table of jobs from version 1, that of craft-queue 0.1.0, to version 2. All jobs stay as they are.
-- The constraint's name is the version. Tokens are below 0 from now on: a worker of version 1, whose tokens are above,
-- is refused what it takes. What it holds now stays its own (held_before), and is settled by it.
-- It waits two seconds for others, as everybody waits behind it meanwhile; then it is tried again.
SET LOCAL lock_timeout = '2s';
ALTER TABLE jobs
    ALTER COLUMN payload SET DEFAULT '{}',
    ADD COLUMN held_before bigint,
    ADD COLUMN progress text;
UPDATE jobs
SET held_before = token
WHERE token IS NOT NULL;
-- Deferred triggers of others run now: a table with triggers that wait can't be changed.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE jobs
    ADD CONSTRAINT jobs_version_2 CHECK (token IS NULL OR token < 0 OR token = coalesce(held_before, 0));
