//! A secret is never shown, whichever slip of the keyboard a configuration has.

use super::*;

const SECRET: &str = "zQ7xK9wV";

/// What a finger that slips may add.
const ADDED: [char; 10] = ['"', '\'', '=', ':', '/', '@', '#', '\n', ' ', '?'];

const FILES: [&str; 9] = [
    "default = \"amqp\"\n[amqp]\nusername = \"shop\"\npassword = \"SECRET\"\nport = \"5672\"\nhost = \"localhost\"\n",
    "[amqp]\npassword = 'SECRET' # the old one\nvhost = ''\n[database]\ntable = 'jobs'\npoll = 5\n",
    "[database]\nconnection = \"mysql\"\n[connections.mysql]\nurl = \"mysql://shop:SECRET@db/shop\"\n",
    "[connections.pg]\nurl = 'postgres://shop:SECRET@db.example:5432/shop?sslmode=require'\n",
    "[connections.pg]\ndriver = \"postgres\"\nhost = \"db\"\nusername = \"shop\"\npassword = \"SECRET\"\ndatabase = \"shop\"\n",
    "[connections]\nmysql = { driver = \"mysql\", username = \"shop\", password = \"SECRET\", database = \"shop\" }\n",
    "[connections.pg]\nurl = \"postgres:///shop?host=db&user=shop&password=SECRET&sslmode=require\"\n",
    "[jobs.A]\ncommand = [\"ls\"]\ntimeout = 5\nenv = { HOST = \"SECRET\", TOKEN = \"SECRET\" }\n[async]\nworkers = 1\n",
    "[jobs.A]\ncommand = [\"ls\"]\n[jobs.A.env]\nhost = \"SECRET\"\n\n[amqp]\npassword = \"\"\"\nSECRET\n\"\"\"\n",
];

const URLS: [(&str, &str); 6] = [
    ("DATABASE_URL", "mysql://shop:SECRET@db/shop"),
    ("DATABASE_URL", "postgres://shop:SECRET@[::1]:5432/shop?sslmode=prefer"),
    ("DATABASE_URL", "postgresql:///shop?host=db&user=shop&password=SECRET"),
    ("AMQP_URL", "amqp://shop:SECRET@localhost"),
    ("AMQP_URL", "amqp://shop:SECRET@localhost:5672/%2F?heartbeat=30"),
    ("AMQP_URL", "amqp://:SECRET@[::1]/v"),
];

/// The text with one slip: a character less, one more, or two that changed places.
fn slips(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut slips = vec![text.to_owned()];
    for at in 0..=characters.len() {
        let (before, after) = characters.split_at(at);
        let joined = |middle: &[char], skip: usize| -> String {
            before.iter().chain(middle).chain(after.iter().skip(skip)).collect()
        };
        slips.extend(ADDED.iter().map(|added| joined(&[*added], 0)));
        if let [first, rest @ ..] = after {
            slips.push(joined(&[], 1));
            slips.extend(rest.first().map(|second| joined(&[*second, *first], 2)));
        }
    }
    slips
}

/// All that is ever printed of a configuration, or of why it is none.
fn printed(read: &Result<Config>) -> String {
    match read {
        Err(error) => format!("{error} {error:?} {:?}", error.help()),
        Ok(config) => {
            let connections: Vec<_> = config.connections.values().map(Connection::to_string).collect();
            let known =
                config.connections.keys().map(|name| config.error_at(&format!("connections.{name}"), "x"));
            let checked: Vec<_> = [config.check().err(), config.connection("none").err()]
                .into_iter()
                .flatten()
                .chain(known)
                .collect();
            format!("{config:?} {:?} {connections:?} {checked:?}", config.entries())
        }
    }
}

fn assert_hidden(printed: &str, slip: &str) {
    // Four of its characters would be half of it.
    let parts = SECRET.as_bytes().windows(4).map(|part| std::str::from_utf8(part).unwrap());
    for part in parts {
        assert!(!printed.contains(part), "{part} of the secret is in this, of the text\n{slip}\n\n{printed}");
    }
}

#[test]
fn no_slip_in_a_file_shows_a_secret() {
    let mut count = 0;
    for file in FILES {
        for slip in slips(&file.replace("SECRET", SECRET)) {
            assert_hidden(&printed(&parse(&slip)), &slip);
            count += 1;
        }
    }
    assert!(count > 10_000, "{count}");
}

#[test]
fn no_slip_in_a_url_of_the_environment_shows_a_secret() {
    for (variable, url) in URLS {
        for slip in slips(&url.replace("SECRET", SECRET)) {
            for default in ["", "default = 'amqp'"] {
                assert_hidden(&printed(&parse_with(default, &[(variable, &slip)])), &slip);
            }
        }
    }
}

#[test]
fn no_key_that_is_none_shows_a_secret() {
    let keys = [
        "pass",
        "pwd",
        "passwd",
        "kennwort",
        "word",
        "secret",
        "pin",
        "pass word",
        "\"password\"",
        "Password",
        "PASSWORD",
        "url2",
        "uri",
        "dsn",
        "key",
        "auth",
        "password:",
        "password;",
        "-password",
        "password\u{a0}",
        "pässword",
    ];
    for section in ["amqp", "database", "async", "connections.x", "connections", "jobs.A", "x"] {
        for key in keys {
            for value in [
                "SECRET",
                "\"SECRET\"",
                "'SECRET",
                "{ a = \"SECRET\" }",
                "[\"SECRET\"]",
                "mysql://u:SECRET@h/d",
                "'mysql:/u:SECRET@h/d'",
            ] {
                for sign in ["=", ":", " ", "==", ""] {
                    let text =
                        format!("[{section}]\n{key} {sign} {}\nport = 0", value.replace("SECRET", SECRET));
                    assert_hidden(&printed(&parse(&text)), &text);
                }
            }
        }
    }
}
