-- What version 0.1.0 applied, which kept it in a table that other programs call the same.
INSERT INTO craft_migrations (name, batch, applied_at)
SELECT name, batch, applied_at
FROM migrations;
