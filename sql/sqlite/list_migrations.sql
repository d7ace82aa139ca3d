SELECT name
FROM migrations;
