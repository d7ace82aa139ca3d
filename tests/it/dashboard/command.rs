//! `craft dashboard`.

use super::client::Client;
use crate::programs::{Running, craft, out, say};
use crate::support::{Folder, on_each_database};

fn start(folder: &Folder, arguments: &[&str]) -> (Running, Client) {
    let mut all = vec!["dashboard", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let running = Running::start(craft(folder, &all));
    let line = running.wait_for("Dashboard on http://");
    let address = line.rsplit("http://").next().unwrap().split('/').next().unwrap();
    let client = Client(address.parse().unwrap());
    (running, client)
}

#[test]
fn it_serves_until_a_signal_ends_it() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        out(&folder, &["queue:push", "Echo", "{\"n\": 1}"]);
        let (running, client) = start(&folder, &[]);
        assert_eq!(client.json("/api/jobs")["jobs"][0]["job"], "Echo");
        running.signal("TERM");
        assert_eq!(running.wait(), (Some(0), None));
    }
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let [(folder, _), ..] = on_each_database();
    out(&folder, &["queue:install"]);
    let refused = say(&folder, &["dashboard", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("others reach this address, so a token is needed"), "{}", refused.err);
    std::fs::write(folder.join("short"), "short").unwrap();
    let short = say(&folder, &["dashboard", "--listen", "127.0.0.1:0", "--token-file", "short"]);
    assert_eq!(short.status, 78);
    assert!(short.err.contains("at least 32 letters and digits"), "{}", short.err);
    let missing = say(&folder, &["dashboard", "--token-file", "none"]);
    assert_eq!(missing.status, 78);
    assert!(missing.err.contains("cannot read the token file none"), "{}", missing.err);

    std::fs::write(folder.join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let (_running, client) = start(&folder, &["--token-file", "token"]);
    assert_eq!(client.get("/api/overview").status, 401);
    let bearer = [("Authorization", "Bearer 0123456789abcdef0123456789abcdef")];
    assert_eq!(client.request("GET", "/api/overview", &bearer, "").status, 200);
}

#[test]
fn fields_that_queue_toml_names_are_masked() {
    let [(folder, _), ..] = on_each_database();
    let file = folder.join("queue.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[dashboard]\nmask = [\"card*\"]\n")).unwrap();
    out(&folder, &["queue:install"]);
    out(&folder, &["queue:push", "Echo", "{\"card_no\": 4111}"]);
    let (_running, client) = start(&folder, &["--read-only"]);
    let id = client.json("/api/jobs")["jobs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.json(&format!("/api/jobs/{id}"))["payload"], "{\"card_no\": \"•••\"}");

    std::fs::write(&file, format!("{text}\n[dashboard]\nmask = [\"\"]\n")).unwrap();
    let wrong = say(&folder, &["dashboard"]);
    assert_eq!(wrong.status, 78);
    assert!(wrong.err.contains("dashboard.mask"), "{}", wrong.err);
}
