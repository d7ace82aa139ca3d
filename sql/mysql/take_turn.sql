-- Takes follow one another: among rows that others have locked, each would step over all of theirs. Who waits for longer
-- than this takes without.
SELECT GET_LOCK(LEFT(CONCAT('craft_take.', DATABASE(), '.jobs'), 64), 1);
