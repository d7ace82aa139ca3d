//! Every message literally.

use super::*;

const DATABASE_KEYS: &str = "connection, table, failed_table, attempts, poll, tz, lease, backoff, queue, timeout, \
                             grace, unknown_for, callback, mode, workers, max_jobs_per_child, child_memory, failed_connection, durability";

#[test]
fn a_message_shows_the_key_the_place_the_line_and_what_is_wrong() {
    let text = "default = \"database\"\n\n[database]\ntabel = \"jobs\"\n";
    let error = parse(text).unwrap_err();
    let expected = format!(
        "database.tabel: unknown field, expected one of {DATABASE_KEYS}\n  \
           --> queue.toml:4:1\n  \
           4 | tabel = \"jobs\"\n    \
             | ^^^^^"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.help(), Some("did you mean table?"));
    assert!(error.is_config());
}

#[test]
fn unknown_keys_and_sections() {
    let table = [
        (
            "databse = 1",
            "databse: unknown field, expected one of default, database, amqp, async, dashboard, connections, jobs",
        ),
        (
            "[queue]\na = 1",
            "queue: unknown field, expected one of default, database, amqp, async, dashboard, connections, jobs",
        ),
        (
            "[async]\nlease = 5",
            "async.lease: unknown field, expected one of blocking, capacity, failed_table, attempts, poll, tz, \
             backoff, queue, timeout, grace, unknown_for, callback, mode, workers, max_jobs_per_child, child_memory, connection",
        ),
        (
            "[amqp]\nlease = 5",
            "amqp.lease: unknown field, expected one of username, password, port, vhost, host, channel, exchange, \
             connection_options, sslmode, sslrootcert, sslcert, sslkey, prefetch, queue_type, max_priority, ack_timeout, connect_timeout, \
             publish_timeout, failed_table, attempts, poll, tz, backoff, queue, timeout, grace, unknown_for, \
             callback, mode, workers, max_jobs_per_child, child_memory, connection",
        ),
        (
            "[connections.a]\nfailed_jobs = 'x'",
            "connections.a.failed_jobs: unknown field, expected one of url, driver, database, host, port, \
             username, password, sslmode, sslrootcert, sslcert, sslkey",
        ),
        (
            "[jobs.A]\ncmd = 'x'",
            "jobs.A.cmd: unknown field, expected one of command, timeout, cwd, env, attempts, backoff, queue",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(message(text).lines().next(), Some(expected), "{text}");
    }
}

#[test]
fn wrong_types_and_values_of_every_kind_of_key() {
    let table = [
        ("default", "5", "a name of 1 to 255 bytes, found 5"),
        ("default", "''", "a name of 1 to 255 bytes, found \"\""),
        ("database.attempts", "0", "a whole number from 1 to 2147483647, found 0"),
        ("database.attempts", "1.5", "a whole number from 1 to 2147483647, found 1.5"),
        ("database.attempts", "'3'", "a whole number from 1 to 2147483647, found \"3\""),
        ("database.attempts", "2147483648", "a whole number from 1 to 2147483647, found 2147483648"),
        ("database.workers", "0", "a whole number from 1 to 10000, found 0"),
        ("async.workers", "-1", "a whole number from 1 to 10000, found -1"),
        ("async.capacity", "0", "a whole number from 1 to 10000000, found 0"),
        ("async.blocking", "'yes'", "true or false, found \"yes\""),
        ("async.blocking", "1", "true or false, found 1"),
        ("database.poll", "0", "seconds from 0.001 to 86400, found 0"),
        ("database.poll", "-0.5", "seconds from 0.001 to 86400, found -0.5"),
        ("database.poll", "nan", "seconds from 0.001 to 86400, found NaN"),
        ("database.poll", "'soon'", "seconds from 0.001 to 86400, found \"soon\""),
        ("database.poll", "true", "seconds from 0.001 to 86400, found true"),
        ("database.lease", "0.9", "seconds from 1 to 86400, found 0.9"),
        ("database.lease", "2026-01-01", "seconds from 1 to 86400, found 2026-01-01"),
        ("database.timeout", "0", "seconds, at least 0.001, found 0"),
        ("database.grace", "1e9", "seconds from 0 to 86400, found 1000000000.0"),
        ("database.unknown_for", "-1", "seconds, or text such as \"10 minutes\", found -1"),
        ("database.backoff", "'often'", "\"exponential\", seconds, or a list of seconds, found \"often\""),
        ("database.backoff", "[1, 'x']", "\"exponential\", seconds, or a list of seconds, found [1, \"x\"]"),
        ("database.tz", "'Mars'", "an IANA time zone such as \"UTC\" or \"Europe/Berlin\", found \"Mars\""),
        ("database.mode", "'fork'", "\"threading\" or \"multiprocess\", found \"fork\""),
        ("database.durability", "false", "\"full\" or \"normal\", found false"),
        ("database.queue", "'a,b'", "the name of one queue, 1 to 255 bytes without a comma, found \"a,b\""),
        ("amqp.port", "0", "a port from 1 to 65535, found 0"),
        ("amqp.port", "'x'", "a port from 1 to 65535, found \"x\""),
        ("amqp.port", "99999999999999999999", "a port from 1 to 65535, found 99999999999999999999"),
        ("amqp.prefetch", "65536", "a whole number from 1 to 65535, found 65536"),
        ("amqp.max_priority", "0", "a whole number from 1 to 255, found 0"),
        ("amqp.queue_type", "'stream'", "\"classic\" or \"quorum\", found \"stream\""),
        ("amqp.host", "'h h'", "the name or the address of a host, without a port, found \"h h\""),
        ("amqp.vhost", "\"a\\n\"", "at most 255 bytes without control characters, found \"a\\n\""),
        ("amqp.password", "5", "a string, found a number"),
        ("connections.x.driver", "'oracle'", "\"sqlite\", \"postgres\" or \"mysql\", found \"oracle\""),
        (
            "connections.x.sslmode",
            "'verify-ca'",
            "\"disable\", \"prefer\", \"require\" or \"verify-full\", found \"verify-ca\"",
        ),
        (
            "jobs.A.command",
            "'ls -l'",
            "a list of strings, the program first: [\"python3\", \"jobs/resize.py\"], found \"ls -l\"",
        ),
        (
            "jobs.A.command",
            "[]",
            "a list of strings, the program first: [\"python3\", \"jobs/resize.py\"], found []",
        ),
        ("jobs.A.env", "{ A = 5 }", "a table of strings: { NAME = \"value\" }, found a table with a number"),
    ];
    for (key, value, expected) in table {
        let text = format!("{key} = {value}");
        let found = message(&text);
        assert_eq!(found.lines().next(), Some(&*format!("{key}: expected {expected}")));
        let place = format!("  --> queue.toml:1:{}", key.len() + 4);
        assert_eq!(found.lines().nth(1), Some(&*place), "{text}");
    }
}

#[test]
fn a_number_in_quotes_is_told_to_lose_them() {
    let error = parse("[database]\nattempts = '3'").unwrap_err();
    assert_eq!(error.help(), Some("write it without quotes"));
}

#[test]
fn table_names_are_identifiers() {
    let rule =
        "a table's name of at most 52 letters (a-z), digits and underscores, not starting with a digit";
    let (fits, too_long) = ("t".repeat(52), "t".repeat(53));
    for good in ["jobs", "_jobs2", "Jobs", &fits] {
        assert_eq!(parse(&format!("database.table = '{good}'")).unwrap().database.table, good);
    }
    for bad in
        ["", "2jobs", "a b", "a;b", "s.jobs", "jöbs", "a-b", "SQLite_jobs", "craft_migrations", &too_long]
    {
        let found = message(&format!("database.table = '{bad}'"));
        assert!(found.starts_with(&format!("database.table: expected {rule}, found \"")), "{found}");
        let found = message(&format!("amqp.failed_table = '{bad}'"));
        assert!(
            found.starts_with(&format!("amqp.failed_table: expected false, or {rule}, found")),
            "{found}"
        );
    }
    for (bad, hint) in [("s.jobs", "search_path"), (&*too_long, "63 letters"), ("sqlite_a", "for itself")] {
        let error = parse(&format!("database.table = '{bad}'")).unwrap_err();
        assert!(error.help().is_some_and(|help| help.contains(hint)), "{error:?}");
    }
}

#[test]
fn sections_that_are_none() {
    let table = [
        ("database = 'jobs'", "database: expected a table"),
        ("[[amqp]]\nhost = 'h'", "amqp: expected a table"),
        ("[connections]\nmysql = 'mysql://u:p@h/db'", "connections.mysql: expected a table"),
        ("[jobs]\nA = ['ls']", "jobs.A: expected a table"),
        ("[jobs.'']\ncommand = ['ls']", "jobs: expected a name of 1 to 255 bytes without control characters"),
        (
            "[database.poll]\nx = 1",
            "database.poll: expected seconds from 0.001 to 86400, found a table with a number",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(message(text).lines().next(), Some(expected), "{text}");
    }
}

#[test]
fn the_uppermost_error_is_told() {
    let text = "[database]\nzzz = 1\naaa = 2\n[amqp]\nport = 0";
    assert!(message(text).starts_with("database.zzz: "), "{}", message(text));
}

#[test]
fn text_that_is_not_toml() {
    let expected = "not valid TOML: duplicate key\n  --> queue.toml:3:1\n  3 | poll = 2\n    | ^^^^";
    assert_eq!(message("[database]\npoll = 1\npoll = 2"), expected);
    for text in ["a = ", "[database", "a == 1", "poll: 5", "a = 'x", "é = 1", "\u{0}"] {
        assert!(message(text).starts_with("not valid TOML: "), "{text}");
    }
}

#[test]
fn values_that_do_not_fit_each_other() {
    let table = [
        ("[database]\npoll = 61", "database.poll: expected at most the lease of 60 seconds, found 61"),
        (
            "[database]\npoll = 2\nlease = 1.5",
            "database.poll: expected at most the lease of 1.5 seconds, found 2",
        ),
        ("[database]\nconnection = 'pg'", "database.connection: no connection is named \"pg\""),
        ("[database]\nfailed_connection = 'pg'", "database.failed_connection: no connection is named \"pg\""),
        ("[amqp]\nconnection = 'pg'", "amqp.connection: no connection is named \"pg\""),
        ("[async]\nconnection = 'pg'", "async.connection: no connection is named \"pg\""),
        (
            "[database]\nfailed_table = 'Jobs'",
            "database.failed_table: the table \"jobs\" holds the jobs that wait",
        ),
        ("[async]\nfailed_table = 'jobs'", "async.failed_table: the table \"jobs\" holds the jobs that wait"),
        (
            "[database]\nfailed_table = 'jobs_signals'",
            "database.failed_table: a table or an index that belongs to the table \"jobs\" has that name, or the other way round",
        ),
        (
            "[database]\ntable = 'dead_uuid'\nfailed_table = 'Dead'",
            "database.failed_table: a table or an index that belongs to the table \"dead_uuid\" has that name, or the other way round",
        ),
        (
            "[database]\nfailed_table = 'a'\nfailed_jobs = 'b'",
            "database.failed_jobs: failed_table and failed_jobs are the same key, and only one may be given",
        ),
        (
            "[amqp]\nqueue_type = 'quorum'\nmax_priority = 5",
            "amqp.max_priority: quorum queues have no priorities",
        ),
    ];
    for (text, expected) in table {
        let found = message(text);
        assert_eq!(found.lines().next(), Some(expected), "{text}");
        assert!(found.contains("  --> queue.toml:"), "{found}");
    }
    let elsewhere = "[amqp]\nconnection = 'b'\nfailed_table = 'jobs'\n\
                     [connections]\nsqlite = { url = 'sqlite:a' }\nb = { url = 'sqlite:b' }";
    assert!(parse(elsewhere).is_ok());
}

#[test]
fn an_unset_variable_is_named_with_its_key_and_line() {
    let error = parse("[amqp]\npassword = '${RABBIT_PASSWORD}'").unwrap_err();
    let expected = "amqp.password: the environment variable RABBIT_PASSWORD is not set\n  \
                      --> queue.toml:2:12\n  \
                      2 | password = ***\n    \
                        |            ^^^";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.help(), Some("set it, or give a default: ${RABBIT_PASSWORD:-…}"));
}

#[test]
fn no_message_shows_a_secret() {
    let texts = [
        "[amqp]\npasword = 'hunter2'",
        "[amqp]\npassword = ['hunter2']",
        "[amqp]\npassword = \"\"\"\nhunter2\n\\q\"\"\"",
        "[amqp]\npassword = 'hunter2",
        "[amqp]\npassword = 'hunter2' port = 1",
        "amqp = { password = 'hunter2', port = 0 }",
        "amqp = { port = 0, password = 'hunter2' }",
        "[amqp]\npassword = '${NONE} ${X:-hunter2}'",
        "[database]\npoll = '${SECRET}'",
        "[database]\ntable = 'mysql://u:hunter2@h/db'",
        "[connections.x]\nurl = 'redis://u:hunter2@h'",
        "[connections.x]\nurl = 'mysql://u:hunter2@h:0/db'",
        "[connections.x]\nurl = 'mysql://u:hunter2/db'",
        "[connections.x]\nurl = 'mysql://u:hunter2@h/db'\nport = 1",
        "[connections.x]\nurl = '${SECRET}'",
        "[connections.x]\nurl = 'mysql://u:${SECRET}@h:x/db'",
        "[connections]\nx = 'mysql://u:hunter2@h/db'",
        "[connections.x]\ndriver = 'sqlite'\ndatabase = 'x'\npassword = 'hunter2'",
        "[jobs.A]\ncommand = ['ls']\nenv = { B = 1, A = 'hunter2' }",
        "[jobs.A]\ncommand = ['ls']\nenv = { A = 'hunter2'",
        "[jobs.A.env]\nA = 'hunter2'\nB = 5",
        "[jobs.A]\ntimeout = '${SECRET}'\ncommand = ['ls']",
    ];
    for text in texts {
        let error = parse_with(text, &[("SECRET", "hunter2")]).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}\n{error:?}");
    }
}
