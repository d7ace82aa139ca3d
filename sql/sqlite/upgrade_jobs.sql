-- Brings a table of jobs from version 1, that of craft-queue 0.1.0, to version 2. All jobs stay as they are.
-- The constraint's name is the version. Tokens are below 0 from now on: a worker of version 1, whose tokens are above,
-- is refused what it takes. What it holds now stays its own (held_before), and is settled by it.
-- A row that breaks a rule of version 1 stays as it is: it fails alone, when it is taken.
PRAGMA ignore_check_constraints = ON;
ALTER TABLE jobs ADD COLUMN held_before INTEGER;
UPDATE jobs
SET held_before = token
WHERE token IS NOT NULL;
ALTER TABLE jobs ADD COLUMN progress TEXT CONSTRAINT jobs_version_2 CHECK (token IS NULL OR token < 0 OR token = coalesce(held_before, 0));
PRAGMA ignore_check_constraints = OFF;
