//! What files may say, and what it comes to.

use std::time::Duration;

use super::*;
use crate::backoff::Backoff;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn the_dictionary_of_the_chapter_key_for_key() {
    let text = r#"
        default = "async"
        [database]
        connection = "mysql"
        table = "jobs"
        failed_table = "failed_jobs"
        attempts = 3
        poll = 5
        tz = "UTC"
        [amqp]
        username = "guest"
        password = "guest"
        port = "5672"
        vhost = ""
        host = "localhost"
        channel = "default"
        queue = "masonite4"
        [async]
        blocking = false
        callback = "handle"
        mode = "threading"
        workers = 1
        [connections.mysql]
        url = "mysql://root@localhost/masonite"
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.default, "async");
    assert_eq!(config.database.connection, "mysql");
    assert_eq!(config.database.settings.poll, seconds(5.0));
    assert_eq!(
        (config.amqp.port, &*config.amqp.vhost, &*config.amqp.settings.queue),
        (5672, "", "masonite4")
    );
    assert_eq!((config.memory.blocking, config.memory.settings.workers), (false, 1));
}

#[test]
fn all_that_is_ours() {
    let text = r#"
        [database]
        failed_jobs = "dead"
        attempts = 7
        poll = 0.05
        tz = "Europe/Berlin"
        lease = 30
        backoff = "exponential"
        durability = "normal"
        queue = "mail"
        timeout = "10 minutes"
        grace = "1m 30s"
        unknown_for = 7200
        callback = "run"
        mode = "multiprocess"
        workers = 8
        failed_connection = "other"
        [amqp]
        port = 5673
        exchange = "jobs"
        connection_options = "heartbeat=30"
        connection = "other"
        failed_table = false
        backoff = [1, 2.5, "1 minute"]
        prefetch = 20
        queue_type = "quorum"
        ack_timeout = 3600
        connect_timeout = 2
        publish_timeout = 2.5
        [async]
        capacity = 10
        blocking = true
        max = 1
        [connections]
        sqlite = { url = "sqlite:a" }
        other = { url = "sqlite:b" }
    "#;
    let config = parse(&text.replace("max = 1", "backoff = 5")).unwrap();
    let settings = &config.database.settings;
    assert_eq!(settings.failed_table.as_deref(), Some("dead"));
    assert_eq!((settings.attempts, settings.workers, settings.mode), (7, 8, Mode::Multiprocess));
    assert_eq!((settings.poll, settings.lease), (seconds(0.05), seconds(30.0)));
    assert_eq!((settings.timeout, settings.grace), (Some(seconds(600.0)), seconds(90.0)));
    assert_eq!((settings.unknown_for, settings.tz.name()), (seconds(7_200.0), "Europe/Berlin"));
    assert_eq!((&*settings.callback, &*settings.queue), ("run", "mail"));
    assert_eq!(
        (settings.failed_connection.as_deref(), config.database.durability),
        (Some("other"), Durability::Normal)
    );
    let amqp = &config.amqp;
    assert_eq!((amqp.port, &*amqp.exchange, &*amqp.connection_options), (5673, "jobs", "heartbeat=30"));
    assert_eq!(
        (amqp.settings.failed_connection.as_deref(), &amqp.settings.failed_table),
        (Some("other"), &None)
    );
    assert_eq!(amqp.settings.backoff, Backoff::list([1.0, 2.5, 60.0].map(seconds)));
    assert_eq!((amqp.prefetch, amqp.queue_type, amqp.max_priority), (Some(20), QueueType::Quorum, None));
    let timeouts = [amqp.ack_timeout, amqp.connect_timeout, amqp.publish_timeout];
    assert_eq!(timeouts, [3600.0, 2.0, 2.5].map(seconds));
    assert_eq!((config.memory.blocking, config.memory.capacity), (true, 10));
    assert_eq!(config.memory.settings.backoff, Backoff::fixed(seconds(5.0)));
}

#[test]
fn variables_stand_for_any_value_and_can_add_no_toml() {
    let text = r#"
        default = "${D:-async}"
        [database]
        attempts = "${ATTEMPTS}"
        poll = "${POLL:-0.5}"
        backoff = "${BACKOFF}"
        failed_table = "${FAILED:-false}"
        [async]
        blocking = "${BLOCKING}"
        [amqp]
        password = "a${P}$${P}"
        port = "${PORT}"
    "#;
    let injection = "x\"\nport = 1\n[jobs.A]\ncommand = [\"rm\"]";
    let variables =
        [("ATTEMPTS", "5"), ("BACKOFF", "1,10"), ("BLOCKING", "true"), ("P", injection), ("PORT", "5673")];
    let config = parse_with(text, &variables).unwrap();
    assert_eq!((&*config.default, config.database.settings.attempts), ("async", 5));
    assert_eq!(config.database.settings.poll, seconds(0.5));
    assert_eq!(config.database.settings.backoff, Backoff::list([1.0, 10.0].map(seconds)));
    assert_eq!(config.database.settings.failed_table, None);
    assert!(config.memory.blocking && config.commands.is_empty());
    assert_eq!((config.amqp.port, config.amqp.password), (5673, format!("a{injection}${{P}}")));
}

#[test]
fn a_command_job() {
    let text = r#"
        [jobs.ResizeImage]
        command = ["python3", "jobs/resize_image.py", "--size=${SIZE:-10}"]
        timeout = 60
        cwd = "work"
        env = { MODE = "fast", HOME = "${HOME}" }
        attempts = 2
        backoff = [1, 2]
        queue = "images"
        [jobs.Script]
        command = ["./script", "a/b"]
        [jobs.Absolute]
        command = ["/bin/ls"]
        cwd = "/tmp"
    "#;
    let jobs = Config::parse(text, "/srv/queue.toml", environment(&[("HOME", "/h")])).unwrap().commands;
    let resize = &jobs["ResizeImage"];
    assert_eq!(resize.command, ["python3", "jobs/resize_image.py", "--size=10"]);
    assert_eq!(
        (resize.timeout, resize.attempts, resize.queue.as_deref()),
        (Some(seconds(60.0)), Some(2), Some("images"))
    );
    assert_eq!(resize.cwd.as_deref(), Some(Path::new("/srv/work")));
    assert_eq!(resize.env, BTreeMap::from([("HOME".into(), "/h".into()), ("MODE".into(), "fast".into())]));
    assert_eq!(jobs["Script"].command, ["/srv/./script", "a/b"]);
    assert_eq!(jobs["Script"].cwd.as_deref(), Some(Path::new("/srv")));
    assert_eq!(
        (&*jobs["Absolute"].command[0], jobs["Absolute"].cwd.as_deref()),
        ("/bin/ls", Some(Path::new("/tmp")))
    );
    assert!(message("[jobs.A]\ntimeout = 1").starts_with("jobs.A: command is missing\n  --> queue.toml:1:7"));
}
