//! What `config:check` prints.

use super::*;

#[test]
fn every_value_has_a_source() {
    let file = "[database]\npoll = 0.05\nfailed_table = false\n\n[connections.pg]\nurl = 'postgres://u:p@h/db'\n\
                [jobs.A]\ncommand = ['curl', '-H', '${API_TOKEN}']\nenv = { K = 'x' }\nattempts = 2\n\
                [amqp]\npassword = 'p'";
    let variables = [("CRAFT_QUEUE", "mail"), ("API_TOKEN", "x")];
    let mut config = parse_with(file, &variables).unwrap();
    config.set_flag(ConfigFlag::Attempts, "5").unwrap();
    config.database.settings.workers = 4;
    config.commands.insert("B".into(), CommandJob { command: vec!["ls".into()], ..CommandJob::default() });
    let table = [
        ("default", "database (built in)"),
        ("database.connection", "pg (queue.toml:5)"),
        ("database.table", "jobs (built in)"),
        ("database.failed_table", "false (queue.toml:3)"),
        ("database.attempts", "5 (--attempts)"),
        ("database.poll", "0.05 (queue.toml:2)"),
        ("database.queue", "mail (CRAFT_QUEUE)"),
        ("database.timeout", "none (built in)"),
        ("database.workers", "4 (the program)"),
        ("amqp.password", "*** (queue.toml:12)"),
        ("amqp.vhost", "\"\" (built in)"),
        ("connections.pg", "postgres://u:***@h/db (queue.toml:5)"),
        ("connections.sqlite", "no such key"),
        ("jobs.A.command", "*** (queue.toml:8)"),
        ("jobs.A.env", "K=*** (queue.toml:9)"),
        ("jobs.A.attempts", "2 (queue.toml:10)"),
        ("jobs.A.timeout", "no such key"),
        ("jobs.B.command", "ls (the program)"),
    ];
    for (key, expected) in table {
        assert_eq!(entry(&config, key), expected, "{key}");
    }
}

#[test]
fn the_order_is_that_of_the_chapter() {
    let keys: Vec<_> = Config::new().entries().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys[..4], ["default", "database.connection", "database.table", "database.failed_table"]);
    assert_eq!(keys.last().map(String::as_str), Some("connections.sqlite"));
}

#[test]
fn nothing_that_is_printed_for_debugging_holds_a_secret() {
    let file = "[amqp]\npassword = 'hunter2'\n[connections.pg]\nurl = 'postgres://u:hunter2@h/db'\n\
                [jobs.A]\ncommand = ['ls']\nenv = { K = 'hunter2' }";
    let config = parse(file).unwrap();
    assert!(!format!("{config:?} {:?}", config.entries()).contains("hunter2"), "{config:?}");
}

#[test]
fn what_can_only_be_judged_later_is_shown_at_its_source() {
    let config = parse("# mine\ndefault = 'redis'").unwrap();
    let error = config.error_at("default", "no driver is named \"redis\"");
    let expected = "default: no driver is named \"redis\"\n  --> queue.toml:2:11\n  2 | default = 'redis'\n    |           ^^^^^^^";
    assert_eq!(error.to_string(), expected);
    assert!(error.is_config());

    let mut config = parse_with("", &[("CRAFT_DRIVER", "redis")]).unwrap();
    assert_eq!(config.error_at("default", "no").to_string(), "CRAFT_DRIVER: no");
    config.set_flag(ConfigFlag::Driver, "kafka").unwrap();
    assert_eq!(config.error_at("default", "no").to_string(), "--driver: no");
    config.default = "nats".into();
    assert_eq!(config.error_at("default", "no").to_string(), "default: no");
}
