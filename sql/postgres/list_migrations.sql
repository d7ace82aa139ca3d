SELECT name
FROM craft_migrations;
