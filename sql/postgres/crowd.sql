-- How many other sessions have taken jobs within the last second, as those of busy workers do: the text of what they
-- executed last says craft_take. Only here a turn costs more than it saves where few take.
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%craft_take%'
    AND state_change > now() - interval '1 s';
