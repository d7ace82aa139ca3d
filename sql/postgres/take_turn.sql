-- In a crowd takes follow one another in two lines, of which 0 stands for one: among rows that others have locked, each
-- would step over all of theirs. What follows in this transaction is the take, and its end lets the next one in.
SET LOCAL lock_timeout = '1s';
SELECT pg_advisory_xact_lock(hashtext('craft_take.jobs'), 0);
