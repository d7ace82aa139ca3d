//! Flag > environment > file > built-in.

use super::*;

#[test]
fn each_variable_beats_the_file_and_each_flag_beats_the_variable() {
    let file = "default = 'async'\n[database]\nconnection = 'a'\npoll = 5\nqueue = 'f'\nattempts = 9\nworkers = 9\n\
                [amqp]\npoll = 5\n[connections]\na = { url = 'sqlite:a' }\nb = { url = 'sqlite:b' }\n\
                c = { url = 'sqlite:c' }";
    let table = [
        (ConfigFlag::Driver, "CRAFT_DRIVER", "default", "async", "amqp", "own"),
        (ConfigFlag::Queue, "CRAFT_QUEUE", "database.queue", "f", "v", "w"),
        (ConfigFlag::Connection, "CRAFT_CONNECTION", "database.connection", "a", "b", "c"),
        (ConfigFlag::Poll, "CRAFT_POLL", "database.poll", "5", "0.5", "0.25"),
        (ConfigFlag::Attempts, "CRAFT_ATTEMPTS", "database.attempts", "9", "2", "1"),
        (ConfigFlag::Workers, "CRAFT_WORKERS", "database.workers", "9", "2", "3"),
    ];
    for (flag, variable, key, in_file, in_environment, on_command_line) in table {
        let config = parse(file).unwrap();
        assert!(
            entry(&config, key).starts_with(&format!("{in_file} (queue.toml:")),
            "{}",
            entry(&config, key)
        );
        let mut config = parse_with(file, &[(variable, in_environment)]).unwrap();
        assert_eq!(entry(&config, key), format!("{in_environment} ({variable})"));
        config.set_flag(flag, on_command_line).unwrap();
        assert_eq!(entry(&config, key), format!("{on_command_line} ({})", flag.name()));
        assert_eq!(flag.variable(), Some(variable));
    }
}

#[test]
fn flags_and_variables_hold_for_every_driver() {
    let mut config =
        parse_with("[amqp]\nattempts = 9", &[("CRAFT_ATTEMPTS", "2"), ("CRAFT_POLL", "0.5")]).unwrap();
    let flags = [
        (ConfigFlag::Mode, "mode", "multiprocess"),
        (ConfigFlag::Timeout, "timeout", "60"),
        (ConfigFlag::Backoff, "backoff", "1,10"),
        (ConfigFlag::Grace, "grace", "5"),
    ];
    for (flag, _, value) in flags {
        config.set_flag(flag, value).unwrap();
    }
    for section in SECTIONS {
        assert_eq!(entry(&config, &format!("{section}.attempts")), "2 (CRAFT_ATTEMPTS)");
        assert_eq!(entry(&config, &format!("{section}.poll")), "0.5 (CRAFT_POLL)");
        for (flag, key, value) in flags {
            assert_eq!(entry(&config, &format!("{section}.{key}")), format!("{value} ({})", flag.name()));
        }
    }
    assert!(ConfigFlag::ALL.iter().all(|flag| flag.name().starts_with("--")));
}

#[test]
fn a_wrong_variable_or_flag_is_named_instead_of_a_line() {
    let table = [
        ("CRAFT_POLL", "soon", "CRAFT_POLL: expected seconds from 0.001 to 86400, found \"soon\""),
        ("CRAFT_POLL", "61", "CRAFT_POLL: expected at most the lease of 60 seconds, found 61"),
        ("CRAFT_ATTEMPTS", "0", "CRAFT_ATTEMPTS: expected a whole number from 1 to 2147483647, found \"0\""),
        ("CRAFT_CONNECTION", "pg", "CRAFT_CONNECTION: no connection is named \"pg\""),
        (
            "CRAFT_QUEUE",
            "a,b",
            "CRAFT_QUEUE: expected the name of one queue, 1 to 255 bytes without a comma, found \"a,b\"",
        ),
        (
            "DATABASE_URL",
            "redis://u:p@h",
            "DATABASE_URL: expected a URL that starts with sqlite:, postgres:// or mysql://, found \"redis://\"",
        ),
        (
            "AMQP_URL",
            "http://u:p@h",
            "AMQP_URL: expected a URL that starts with amqp:// or amqps://, found \"http://\"",
        ),
        ("AMQP_URL", "amqp://u:p@", "AMQP_URL: the URL names no host"),
        (
            "AMQP_URL",
            "127.0.0.1:5672",
            "AMQP_URL: expected a URL that starts with amqp:// or amqps://, found none",
        ),
        (
            "AMQP_URL",
            "amqps://u:p@h?sslmode=disable",
            "AMQP_URL: amqps:// asks for TLS, and sslmode=disable forbids it",
        ),
        (
            "AMQP_URL",
            "amqp://u:p@h?sslmode=prefer",
            "AMQP_URL: RabbitMQ has a port for TLS and another without, so that there is nothing to prefer",
        ),
        (
            "AMQP_URL",
            "amqp://u:p@h?sslrootcert=ca.pem",
            "AMQP_URL: sslrootcert says whom to trust, which only sslmode=verify-full asks",
        ),
        ("AMQP_URL", "amqp://u:p@::1/v", "AMQP_URL: the URL's host is an IPv6 address without brackets"),
    ];
    for (variable, value, expected) in table {
        let config = parse_with("[amqp]\nport = 5", &[(variable, value)]);
        // What only one driver uses is told to who uses it.
        let error = config.and_then(|mut config| {
            if variable == "AMQP_URL" {
                config.check()?;
                config.default = "amqp".into();
            }
            config.check()
        });
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.is_config());
    }
    let error = Config::new().set_flag(ConfigFlag::Poll, "soon").unwrap_err();
    assert_eq!(error.to_string(), "--poll: expected seconds from 0.001 to 86400, found \"soon\"");
    let error = Config::new().set_flag(ConfigFlag::Connection, "pg").unwrap_err();
    assert_eq!(error.to_string(), "--connection: no connection is named \"pg\"");
}

#[test]
fn a_variable_that_is_empty_overrides_nothing() {
    let variables = ["CRAFT_POLL", "CRAFT_QUEUE", "DATABASE_URL", "AMQP_URL"].map(|name| (name, ""));
    let config = parse_with("", &variables).unwrap();
    assert!(config.entries().iter().all(|entry| entry.source == ConfigSource::BuiltIn));
}

#[test]
fn a_variable_that_is_no_text_is_an_error() {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let error = Config::parse("", "q", |_| Some(OsString::from_vec(vec![0xff]))).unwrap_err();
        assert_eq!(error.to_string(), "DATABASE_URL: the environment variable DATABASE_URL is not UTF-8");
    }
}

#[test]
fn where_database_url_leads() {
    let url = [("DATABASE_URL", "mysql://u:p@h/db")];
    let named = "[database]\nconnection = 'main'\n[connections.main]\nurl = 'sqlite:a'";
    let only = "[connections.main]\nurl = 'sqlite:a'";
    let taken = "[connections]\na = { url = 'sqlite:a' }\nlive = { url = '${DATABASE_URL:-sqlite:b}' }";
    let decided = format!("[database]\nconnection = 'a'\n{taken}");
    let table = [
        // (file, name of the database driver's connection, where it leads)
        ("", "mysql (DATABASE_URL)", "mysql://u:***@h/db (DATABASE_URL)"),
        (named, "main (queue.toml:2)", "mysql://u:***@h/db (DATABASE_URL)"),
        (only, "main (queue.toml:1)", "mysql://u:***@h/db (DATABASE_URL)"),
        (taken, "live (queue.toml:3)", "mysql://u:***@h/db (queue.toml:3)"),
        (&decided, "a (queue.toml:2)", "a (queue.toml:4)"),
    ];
    for (file, name, leads_to) in table {
        let config = parse_with(file, &url).unwrap();
        assert_eq!(entry(&config, "database.connection"), name, "{file}");
        assert_eq!(
            entry(&config, &format!("connections.{}", config.database.connection)),
            leads_to,
            "{file}"
        );
    }
    let variables = [url[0], ("CRAFT_CONNECTION", "sqlite")];
    assert_eq!(parse_with("", &variables).unwrap().database.connection, "sqlite");
}

/// Hosts set it for whatever database a program has.
#[test]
fn a_database_url_that_is_none_of_ours_stops_only_who_uses_it() {
    let url = [("DATABASE_URL", "mongodb://u:p@h/db")];
    let message = "DATABASE_URL: expected a URL that starts with sqlite:, postgres:// or mysql://, found \"mongodb://\"";
    let taken = "[connections.live]\nurl = '${DATABASE_URL}'";
    for (file, message) in [("", message), (taken, &message.replace("DATABASE_URL", "connections.live.url"))]
    {
        let mut config = parse_with(file, &url).unwrap();
        let error = config.check().unwrap_err();
        assert!(error.is_config() && error.to_string().starts_with(message), "{error}");
        let name = config.database.connection.clone();
        assert!(config.connection(&name).unwrap_err().to_string().starts_with(message));
        assert!(entry(&config, &format!("connections.{name}")).starts_with("can't be used ("));
        for driver in ["async", "amqp"] {
            config.set_flag(ConfigFlag::Driver, driver).unwrap();
            config.check().unwrap();
        }
    }
    let other = format!("{taken}\n[connections.mine]\nurl = 'sqlite:a'\n[database]\nconnection = 'mine'");
    parse_with(&other, &url).unwrap().check().unwrap();
}

#[test]
fn amqp_url_is_a_whole_address_but_leaves_a_user_that_it_does_not_name() {
    let file = "[amqp]\nhost = 'file'\nport = 1\nvhost = 'file'\nusername = 'file'\npassword = 'file'";
    let table = [
        ("amqp://u:p%40@h:2/v%2Fw?heartbeat=30", ("h", 2, "v/w", "u", "p@", "heartbeat=30")),
        ("amqp://[::1]", ("::1", 5672, "", "file", "file", "")),
        ("amqp://a,b:3,[::1]/v", ("a,b:3,[::1]", 5672, "v", "file", "file", "")),
        ("amqp://u@h/", ("h", 5672, "", "u", "file", "")),
        ("amqp://u:a/b@c:d@h/%2F", ("h", 5672, "/", "u", "a/b@c:d", "")),
    ];
    for (url, (host, port, vhost, username, password, options)) in table {
        let amqp = parse_with(file, &[("AMQP_URL", url)]).unwrap().amqp;
        let found = (&*amqp.host, amqp.port, &*amqp.vhost);
        assert_eq!(found, (host, port, vhost), "{url}");
        let found = (&*amqp.username, &*amqp.password, &*amqp.connection_options);
        assert_eq!(found, (username, password, options), "{url}");
    }
}

#[test]
fn tls_to_the_broker_is_asked_for_by_the_url_and_by_the_file() {
    let verified = "[amqp]\nsslmode = 'verify-full'\nsslrootcert = 'ca.pem'";
    let client = "sslcert = 'c.pem'\nsslkey = 'k.pem'";
    let with_client = format!("{verified}\n{client}");
    let files = |ca: Option<&str>| ca.map(std::path::PathBuf::from);
    // What the file says, the URL, and what that comes to: the mode, whom to trust, the port.
    let table = [
        ("", "amqp://h", None, None, 5672),
        ("", "amqps://h", Some(TlsMode::VerifyFull), None, 5671),
        ("", "amqps://h:7", Some(TlsMode::VerifyFull), None, 7),
        ("", "amqps://h?sslmode=require", Some(TlsMode::Require), None, 5671),
        ("", "amqps://h?sslrootcert=a%20b", Some(TlsMode::VerifyFull), Some("a b"), 5671),
        ("", "amqp://h?sslmode=verify-full", Some(TlsMode::VerifyFull), None, 5671),
        ("[amqp]\nsslmode = 'disable'", "amqps://h", Some(TlsMode::VerifyFull), None, 5671),
        ("[amqp]\nsslmode = 'require'", "amqps://h", Some(TlsMode::Require), None, 5671),
        (verified, "amqp://h", Some(TlsMode::VerifyFull), Some("ca.pem"), 5671),
        (verified, "amqps://h", Some(TlsMode::VerifyFull), Some("ca.pem"), 5671),
        (verified, "amqp://h?sslmode=disable", Some(TlsMode::Disable), None, 5672),
        (verified, "", Some(TlsMode::VerifyFull), Some("ca.pem"), 5671),
        ("[amqp]\nport = 1\nsslmode = 'require'", "", Some(TlsMode::Require), None, 1),
        ("", "", None, None, 5672),
        (&with_client, "", Some(TlsMode::VerifyFull), Some("ca.pem"), 5671),
    ];
    for (file, url, mode, ca, port) in table {
        let amqp = parse_with(file, &[("AMQP_URL", url)]).unwrap().amqp;
        assert_eq!(
            (amqp.tls.mode, amqp.tls.authorities, amqp.port),
            (mode, files(ca), port),
            "{file}, {url}"
        );
    }
    let config = parse_with(verified, &[]).unwrap();
    assert_eq!(entry(&config, "amqp.sslmode"), "verify-full (queue.toml:2)");
    assert_eq!(entry(&config, "amqp.port"), "5671 (queue.toml:2)");
    assert_eq!(entry(&config, "amqp.sslcert"), "none (built in)");
    let config = parse_with(verified, &[("AMQP_URL", "amqps://h?sslmode=require&heartbeat=9")]).unwrap();
    assert_eq!(entry(&config, "amqp.sslmode"), "require (AMQP_URL)");
    assert_eq!(config.amqp.connection_options, "heartbeat=9");

    for (text, expected) in [
        (
            "sslmode = 'verify-ca'",
            "amqp.sslmode: expected \"disable\", \"prefer\", \"require\" or \"verify-full\"",
        ),
        ("sslmode = 'prefer'", "amqp.sslmode: RabbitMQ has a port for TLS and another without"),
        ("sslrootcert = 'ca.pem'", "amqp.sslrootcert: sslrootcert says whom to trust"),
        ("sslcert = 'c.pem'", "amqp.sslcert: a certificate is of no use without its key"),
        ("sslcert = 'c.pem'\nsslkey = 'k.pem'", "amqp.sslcert: a certificate is only shown by TLS"),
    ] {
        let error = parse_with(&format!("[amqp]\n{text}"), &[]).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn certificates_lie_beside_the_file() {
    let text = "[amqp]\nsslmode = 'verify-full'\nsslrootcert = 'ca.pem'\nsslcert = 'c'\nsslkey = '/k'";
    let tls = Config::parse(text, "config/queue.toml", |_| None).unwrap().amqp.tls;
    let found = [tls.authorities, tls.certificate, tls.key];
    assert_eq!(found, ["config/ca.pem", "config/c", "/k"].map(|path| Some(path.into())));
}
