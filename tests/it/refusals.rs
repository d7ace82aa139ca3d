//! What is refused, and what the message says to do; names and paths as the whole program takes them.

use craft_queue::{Config, Queue};

use crate::programs::{Said, craft, json, out, run, say};
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::support::Folder;

fn say_with(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = craft(folder, arguments);
    command.envs(variables.iter().copied());
    run(command)
}

fn assert_said(said: &Said, status: i32, words: &[&str]) {
    assert_eq!(said.status, status, "{}{}", said.out, said.err);
    for words in words {
        assert!(said.err.contains(words), "no \"{words}\" in:\n{}", said.err);
    }
}

#[test]
fn no_queue_is_pushed_to_that_a_list_cannot_name() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    for name in ["a,b", " a", "a ", "*", ",", " "] {
        for command in [&["queue:push", "Echo", "--queue", name][..], &["queue:retry", "--queue", name]] {
            assert_said(&say(&folder, command), 2, &["the name of the queue \"", "help: name one queue"]);
        }
        let said = say_with(&folder, &[("CRAFT_QUEUE", name)], &["queue:push", "Echo"]);
        let is_set = !name.trim().is_empty();
        assert_eq!(said.status, if is_set { 78 } else { 0 }, "{}", said.err);
    }
    for command in ["queue:pause", "queue:work"] {
        let names = if command == "queue:work" { &["--queue", "*"][..] } else { &["*"] };
        assert_said(
            &say(&folder, &[&[command][..], names].concat()),
            2,
            &["there is no word for all queues"],
        );
    }
    let queue = Queue::open(Config::sqlite(folder.join("database.sqlite3")), Default::default()).unwrap();
    assert!(queue.on("a,b").push_json("Echo", "1", 1).unwrap_err().is_invalid());
    assert!(queue.pause(None, " a").unwrap_err().is_invalid());
    assert!(queue.worker().on("a,b").stop_when_empty().run().unwrap_err().is_invalid());
}

#[test]
fn a_list_of_queues_is_a_list_everywhere() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    for queue in ["a", "b", "c"] {
        out(&folder, &["queue:push", "Fail", "\"no\"", "--queue", queue]);
    }
    assert_eq!(out(&folder, &["queue:pause", "a,b", "c"]).lines().count(), 3);
    assert_eq!(out(&folder, &["queue:resume", " a, b ,c"]).lines().count(), 3);
    let queues = |command: &[&str]| -> Vec<String> {
        let lines = json(&folder, command);
        let mut queues: Vec<_> =
            lines.as_array().unwrap().iter().map(|line| line["queue"].as_str().unwrap().to_owned()).collect();
        queues.sort();
        queues
    };
    assert_eq!(queues(&["queue:status", "a,b", "--json"]), ["a", "b"]);
    assert_eq!(queues(&["queue:list", "--queue", "a,b", "--json"]), ["a", "b"]);
    assert_eq!(queues(&["queue:list", "--queue", "c", "--queue", "b", "--json"]), ["b", "c"]);
    assert_eq!(queues(&["queue:list", "--queue", "c,b", "--json", "--limit", "1"]), ["c"]);
    assert_eq!(out(&folder, &["queue:monitor", "a,b"]).lines().count(), 2);
    // Each of them counts, not the last alone.
    out(&folder, &["queue:work", "--attempts", "1", "--stop-when-empty", "--queue", "a", "--queue", "b,c"]);
    assert_eq!(queues(&["queue:failed-list", "--json"]), ["a", "b", "c"]);
    assert_eq!(queues(&["queue:failed-list", "--json", "--queue", "a,c"]), ["a", "c"]);
    assert!(out(&folder, &["queue:retry", "--from", "a,b"]).contains("Added 2 failed job(s)"));
    assert_eq!(out(&folder, &["queue:clear", "--queue", "a,b", "--force"]).lines().count(), 2);
    assert!(say(&folder, &["queue:retry", "1", "--from", "a,b"]).err.contains("takes no ids"));
}

/// Version 0.1.0 took such names, and plain SQL does.
#[test]
fn what_lies_in_queues_of_odd_names_is_shown_and_cleared() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    let rows = "INSERT INTO jobs (name, payload, queue) VALUES ('Echo', '1', 'a,b'), ('Echo', '2', ' a'), ('Echo', '3', '*');
                INSERT INTO jobs_signals (driver, queue) VALUES ('database', 'a,b');";
    file.execute_batch(rows).unwrap();
    let status = out(&folder, &["queue:status"]);
    assert!(status.contains("a,b") && status.contains('*'), "{status}");
    assert_eq!(json(&folder, &["queue:list", "--queue", "\"a,b\",*", "--json"]).as_array().unwrap().len(), 2);
    assert_eq!(out(&folder, &["queue:resume", "\"a,b\""]), "Queue \"a,b\" is resumed.\n");
    let cleared = out(&folder, &["queue:clear", "--queue", "\"a,b\",\" a\",*", "--force"]);
    assert_eq!(cleared.matches("Removed 1 job(s)").count(), 3, "{cleared}");
}

#[test]
fn a_file_elsewhere_means_the_folder_that_it_lies_in() {
    let (site, elsewhere) = (Folder::new(), Folder::new());
    let file = site.join("queue.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[connections.sqlite]\nurl = \"sqlite:jobs.db\"\n").unwrap();
    let wrote = out(&elsewhere, &["queue:install", "--config", path]);
    assert!(wrote.contains(&format!("Wrote {}", site.join("databases/migrations/2").display())), "{wrote}");
    assert_eq!(out(&elsewhere, &["--config", path, "queue:push", "Echo"]), "1\n");
    let named = say_with(&elsewhere, &[("CRAFT_CONFIG", path)], &["queue:push", "Echo"]);
    assert_eq!((&*named.out, &*named.err), ("2\n", ""));
    assert_eq!(out(&site, &["queue:push", "Echo"]), "3\n", "the same database as in its own folder");
    assert_eq!(out(&elsewhere, &["--config", path, "migrate"]), "Nothing to migrate.\n");
    assert!(site.join("jobs.db").exists() && std::fs::read_dir(elsewhere.path()).unwrap().next().is_none());
    // A built-in path, too.
    std::fs::write(&file, "[database]\npoll = 1\n").unwrap();
    out(&elsewhere, &["--config", path, "migrate"]);
    assert!(site.join("database.sqlite3").exists() && !elsewhere.join("database.sqlite3").exists());

    // Who has the file where version 0.1.0 looked for it is told.
    std::fs::remove_file(site.join("database.sqlite3")).unwrap();
    out(&elsewhere, &["queue:install"]);
    let moved = say(&elsewhere, &["--config", path, "queue:push", "Echo"]);
    assert_said(&moved, 1, &["has no table \"jobs\"", "database.sqlite3 is in the current folder"]);
    assert_eq!(out(&elsewhere, &["queue:push", "Echo"]), "1\n", "without a file it is the working folder");
}

#[test]
fn a_variable_of_the_shell_in_a_command_is_written_with_two_dollars() {
    let folder = Folder::new();
    let write = |word: &str| {
        let text = format!("[jobs.A]\ncommand = [\"sh\", \"-c\", \"echo {word} >ran\"]\n");
        std::fs::write(folder.join("queue.toml"), text).unwrap();
    };
    write("${CRAFT_JOB_ID}");
    let said = say(&folder, &["queue:install"]);
    assert_said(&said, 78, &["the environment variable CRAFT_JOB_ID is not set", "write $${CRAFT_JOB_ID}"]);
    write("$${CRAFT_JOB_ID}");
    out(&folder, &["queue:install"]);
    assert_eq!(out(&folder, &["queue:push", "A"]), "1\n");
    out(&folder, &["queue:work", "--once"]);
    assert_eq!(std::fs::read_to_string(folder.join("ran")).unwrap(), "1\n");
}

#[test]
fn spans_have_limits_that_are_named() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    for (delay, words) in [
        ("36601 days", "the limit is 36600 days"),
        ("1e300", "the limit is 36600 days"),
        ("-5", "\"-5\" is negative"),
        ("-5 minutes", "is negative"),
        ("soon", "is not a span of time"),
    ] {
        assert_said(&say(&folder, &["queue:push", "Echo", "--delay", delay]), 2, &[words]);
    }
    assert_said(
        &say(&folder, &["queue:push", "Echo", "--count", "-1"]),
        2,
        &["\"-1\" is not a whole number"],
    );
    assert_said(&say(&folder, &["queue:work", "--poll", "-1"]), 2, &["--poll: expected seconds"]);
}

#[test]
fn a_database_url_that_is_none_stops_nobody_who_needs_none() {
    let folder = Folder::new();
    let url = [("DATABASE_URL", "mongodb://u:p@h/db")];
    let said = say_with(&folder, &url, &["queue:push", "Echo"]);
    assert_said(&said, 78, &["DATABASE_URL: expected a URL that starts with sqlite:"]);
    for command in [&["queue:work", "--once"][..], &["migrate:rollback"], &["queue:install"]] {
        assert_said(&say_with(&folder, &url, command), 78, &["DATABASE_URL: "]);
    }
    let said = say_with(&folder, &url, &["queue:push", "Echo", "--driver", "async"]);
    assert_eq!((said.status, &*said.err), (0, ""), "{}", said.out);
    let both = [url[0], ("CRAFT_DRIVER", "async")];
    assert_eq!(say_with(&folder, &both, &["queue:push", "Echo"]).status, 0);
    // The broker's is the same to those who use none.
    out(&folder, &["queue:install"]);
    let url = [("AMQP_URL", "127.0.0.1:5672")];
    assert_eq!(say_with(&folder, &url, &["queue:push", "Echo"]).status, 0);
    let said = say_with(&folder, &url, &["queue:push", "Echo", "--driver", "amqp"]);
    assert_said(
        &said,
        78,
        &["AMQP_URL: expected a URL that starts with amqp://", "amqp://user:password@host:5672/vhost"],
    );
}

#[test]
fn messages_name_the_server_that_database_url_leads_to() {
    let folder = Folder::new();
    std::fs::write(folder.join("queue.toml"), "[database]\nconnection = \"sqlite\"\n").unwrap();
    for (url, scheme) in
        [(Postgres::shared().database(), "postgres"), (MariaDb::shared().database(), "mysql")]
    {
        let said = say_with(&folder, &[("DATABASE_URL", &url)], &["queue:push", "Echo"]);
        let server = url.split_once('@').unwrap().1;
        let words =
            format!("connection \"sqlite\" (DATABASE_URL, {scheme}://***@{server}) has no table \"jobs\"");
        assert_said(&said, 1, &[&words]);
    }
    let said = say_with(&folder, &[("DATABASE_URL", "postgres://u@::1/db")], &["queue:push", "Echo"]);
    assert_said(&said, 78, &["an IPv6 address without brackets", "help: write it as [::1]"]);
}

#[test]
fn help_for_a_database_that_is_not_there_can_be_pasted() {
    let folder = Folder::new();
    let of = |url: String| url.rsplit_once('/').unwrap().0.to_owned();
    let url = format!("{}/bugsql-none", of(MariaDb::shared().database()));
    let said = say_with(&folder, &[("DATABASE_URL", &url)], &["queue:install"]);
    assert_said(&said, 78, &["has no database \"bugsql-none\"", "help: CREATE DATABASE `bugsql-none`"]);
    let url = format!("{}/bug%20sql", of(Postgres::shared().database()));
    let said = say_with(&folder, &[("DATABASE_URL", &url)], &["queue:install"]);
    assert_said(&said, 78, &["has no database \"bug sql\"", "help: createdb -- 'bug sql'"]);
}

#[test]
fn config_check_says_what_is_missing_once() {
    let folder = Folder::new();
    let said = say(&folder, &["config:check"]);
    assert_eq!(said.status, 1);
    assert_eq!(said.err.matches("has no table \"jobs\"").count(), 1, "{}", said.err);
    assert!(!said.err.contains("may this user write there"), "{}", said.err);
    out(&folder, &["queue:install"]);
    assert_eq!(out(&folder, &["config:check"]).matches("  ok  ").count(), 4);
}
