-- Brings a table of jobs back to version 1. All jobs stay as they are.
ALTER TABLE jobs DROP COLUMN progress;
ALTER TABLE jobs DROP COLUMN held_before;
