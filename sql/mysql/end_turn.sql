-- Lets the next one take. The other databases have locks that end with their transactions.
DO RELEASE_LOCK(LEFT(CONCAT('craft_take.', DATABASE(), '.jobs'), 64));
