//! What the pages show, on each database.

use craft_queue::{Config, Jobs, Queue};
use serde_json::{Value, json};

use super::Served;
use super::client::Client;
use crate::support::{Act, Then, on_each_database, wait_until};

fn names(page: &Value, list: &str, field: &str) -> Vec<String> {
    page[list].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_overview_has_each_queue_with_its_counts() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run([("a", Then::FailNow)]);
        served.queue.push(Act::new("b", Then::Succeed)).unwrap();
        served.queue.on("mail").delay("1 hour").push(Act::new("c", Then::Succeed)).unwrap();
        served.queue.pause(None, "mail").unwrap();
        let client = served.client();
        let seen = client.json("/api/overview");
        assert_eq!((&seen["driver"], &seen["drivers"]), (&json!("database"), &json!(["database"])));
        let queue = |at: usize| {
            let queue = &seen["queues"][at];
            ["queue", "waiting", "delayed", "running", "failed", "paused"].map(|name| queue[name].clone())
        };
        assert_eq!(json!(queue(0)), json!(["default", 1, 0, 0, 1, false]));
        assert_eq!(json!(queue(1)), json!(["mail", 0, 1, 0, 0, true]));
        assert_eq!(seen["problems"], json!([]));
        // What was done is seen at once, though a look is otherwise kept for a second.
        client.done("resume", json!({"queue": "mail"}));
        assert_eq!(client.json("/api/overview")["queues"][1]["paused"], json!(false));
    }
}

#[test]
fn jobs_come_by_pages_and_by_what_they_match() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        for at in 0..120 {
            let queue = if at % 2 == 0 { "even" } else { "odd" };
            served.queue.on(queue).push(Act::new(&at.to_string(), Then::Succeed)).unwrap();
        }
        let client = served.client();
        let (mut seen, mut next, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = client.json(&format!("/api/jobs?after={next}"));
            seen.extend(names(&page, "jobs", "id"));
            pages += 1;
            match page["next"].as_str() {
                Some(id) => next = id.to_owned(),
                None => break,
            }
        }
        assert_eq!((seen.len(), pages), (120, 3));
        let odd = client.json("/api/jobs?queue=odd&state=waiting&job=Act");
        assert_eq!(odd["jobs"].as_array().unwrap().len(), 50);
        assert!(names(&odd, "jobs", "queue").iter().all(|queue| queue == "odd"));
        assert_eq!(client.json("/api/jobs?state=running")["jobs"], json!([]));
        let wrong = client.get("/api/jobs?state=asleep");
        assert_eq!((wrong.status, &wrong.json()["error"]), (400, &json!("there is no state \"asleep\"")));

        let one = client.json(&format!("/api/jobs/{}", seen[7]));
        assert_eq!(
            (&one["id"], &one["job"], &one["state"]),
            (&json!(seen[7]), &json!("Act"), &json!("waiting"))
        );
        assert_eq!(one["payload"], json!(r#"{"name":"7","then":"Succeed"}"#));
        assert_eq!(client.json(&format!("/api/jobs/{}", one["uuid"].as_str().unwrap()))["id"], one["id"]);
        assert_eq!(client.get("/api/jobs/999999").status, 404);
    }
}

#[test]
fn failed_jobs_come_newest_first_by_what_went_wrong_and_by_a_search() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run((0..70).map(|at| (if at % 10 == 0 { "100%_Sure\\" } else { "other" }, Then::FailNow)));
        served.run([("p", Then::Panic)]);
        let client = served.client();
        let first = client.json("/api/failed");
        assert_eq!(first["failed"][0]["payload"], json!(r#"{"name":"p","then":"Panic"}"#));
        let ids: Vec<i64> = names(&first, "failed", "id").iter().map(|id| id.parse().unwrap()).collect();
        assert!(ids.len() == 50 && ids.is_sorted_by(|one, next| one > next), "{ids:?}");
        let second = client.json(&format!("/api/failed?before={}", first["next"].as_str().unwrap()));
        assert_eq!((second["failed"].as_array().unwrap().len(), &second["next"]), (21, &Value::Null));

        let groups = client.json("/api/failed-groups");
        let counts: Vec<_> = groups.as_array().unwrap().iter().map(|group| group["count"].clone()).collect();
        assert_eq!(json!(counts), json!([1, 70]));
        assert_eq!(groups[1]["first_line"], json!("it never will"));

        let found =
            |query: &str| client.json(&format!("/api/failed?{query}"))["failed"].as_array().unwrap().len();
        assert_eq!(found("search=SURE"), 7, "whatever its case");
        assert_eq!(found("search=0%25_s"), 7);
        assert_eq!(found("search=0x_s"), 0, "a letter of a pattern is a letter");
        assert_eq!(found("search=e%5C%5C"), 7, "as JSON has a backslash");
        assert_eq!(found("search=went+wrong"), 1, "in the error");
        assert_eq!(found("first_line=it+never+will&job=Act&queue=default"), 50);
        assert_eq!(found("queue=mail"), 0);
        let id = first["failed"][3]["id"].as_str().unwrap();
        assert_eq!(client.json(&format!("/api/failed/{id}"))["exception"], json!("it never will"));
        assert_eq!(client.get("/api/failed/999999").status, 404);
    }
}

#[test]
fn a_driver_that_keeps_failed_jobs_elsewhere_has_the_same_pages() {
    for (_folder, mut config) in on_each_database() {
        config.default = "async".into();
        let served = Served::on(config);
        served.queue.options().attempts(1).push(Act::new("a", Then::FailNow)).unwrap();
        let client = served.client();
        wait_until("the failed job", || client.json("/api/failed")["failed"] != json!([]));
        assert_eq!(client.json("/api/failed-groups")[0]["count"], json!(1));
        assert_eq!(client.json("/api/overview")["driver"], json!("async"));
    }
}

#[test]
fn several_drivers_are_shown_by_name() {
    let [(_folder, config), ..] = on_each_database();
    let both = ["database", "async"].map(str::to_owned);
    let served = Served::with(config, |dashboard| dashboard.drivers(both).unwrap());
    let client = served.client();
    assert_eq!(client.json("/api/overview")["driver"], json!("database"));
    assert_eq!(client.json("/api/overview?driver=async")["driver"], json!("async"));
    let unknown = client.get("/api/overview?driver=amqp");
    assert_eq!((unknown.status, &unknown.json()["help"]), (404, &json!("it shows database, async")));
}

#[test]
fn prometheus_reads_the_counts_and_a_check_finds_the_server() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run([("a", Then::FailNow)]);
        served.queue.push(Act::new("b", Then::Succeed)).unwrap();
        let client = served.client();
        let metrics = client.get("/metrics");
        assert_eq!(metrics.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        for line in [
            "craft_queue_waiting_jobs{driver=\"database\",queue=\"default\"} 1",
            "craft_queue_failed_jobs{driver=\"database\",queue=\"default\"} 1",
        ] {
            assert!(metrics.body.lines().any(|found| found == line), "{}", metrics.body);
        }
        assert_eq!((client.get("/healthz").status, &*client.get("/healthz").body), (200, "ok\n"));
    }
}

#[test]
fn what_cannot_be_reached_is_told_and_not_hidden() {
    let mut config = Config::sqlite("/nonexistent/folder/jobs.sqlite3");
    config.default = "database".into();
    let queue = Queue::open(config, Jobs::new()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = craft_queue::dashboard::Dashboard::new(queue).serve(listener).unwrap();
    let client = Client(server.address());
    let answer = client.get("/api/overview");
    assert_eq!(answer.status, 500);
    let told = answer.json();
    assert_eq!(told["error"], json!("connection \"sqlite\" has no table \"jobs\""));
    assert!(told["help"].as_str().unwrap().contains("craft queue:install"), "{told}");
    assert_eq!(client.get("/").status, 200, "the page itself is there, and shows the error");
}
