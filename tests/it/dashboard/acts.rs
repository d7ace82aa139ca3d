//! What the buttons do, on each database.

use serde_json::{Value, json};

use super::Served;
use crate::support::{Act, Then, on_each_database};

fn waiting(served: &Served) -> Option<u64> {
    served.queue.size(None, &["default".into()]).unwrap()[0].waiting
}

#[test]
fn jobs_are_removed_one_some_or_all_that_match_and_held_ones_stay() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        for at in 0..1_203 {
            let queue = if at < 3 { "default" } else { "many" };
            served.queue.on(queue).push(Act::new("a", Then::Succeed)).unwrap();
        }
        let client = served.client();
        let ids: Vec<_> = client.json("/api/jobs?queue=default")["jobs"].as_array().unwrap().clone();
        let id = |at: usize| ids[at]["id"].clone();
        let done = client.done("cancel", json!({"ids": [id(0), id(1), "999999"]}));
        assert_eq!(done, json!({"removed": 2, "held": 0, "gone": 1, "next": null}));

        let (mut removed, mut after) = (0, Value::Null);
        loop {
            let done = client.done("cancel", json!({"all": {"queue": "many"}, "after": after}));
            removed += done["removed"].as_u64().unwrap();
            after = done["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!((removed, waiting(&served)), (1_200, Some(1)));
    }
}

#[test]
fn failed_jobs_are_retried_and_forgotten_one_some_or_all_that_match() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run((0..6).map(|_| ("a", Then::FailNow)));
        served.run((0..4).map(|_| ("b", Then::Panic)));
        let client = served.client();
        let failed = client.json("/api/failed")["failed"].as_array().unwrap().clone();
        let id = |at: usize| failed[at]["id"].clone();

        let done = client.done("retry", json!({"ids": [id(0), "999999"]}));
        assert_eq!((&done["done"], &done["stayed"]), (&json!(1), &json!(1)));
        assert_eq!(done["reasons"], json!(["failed job 999999 stays: it is gone"]));
        assert_eq!(waiting(&served), Some(1));
        assert_eq!(client.done("forget", json!({"ids": [id(1)]}))["done"], json!(1));

        let group = json!({"job": "Act", "first_line": "it never will"});
        let done = client.done("retry", json!({"all": group}));
        assert_eq!((&done["done"], &done["next"]), (&json!(6), &Value::Null));
        assert_eq!(waiting(&served), Some(7));
        let done = client.done("forget", json!({"all": {"search": "went wrong"}}));
        assert_eq!(done["done"], json!(2));
        assert_eq!(client.json("/api/failed")["failed"], json!([]));
        // No id at all is none, and not all.
        served.run([("c", Then::FailNow)]);
        assert_eq!(client.done("retry", json!({"ids": []}))["done"], json!(0));
        assert_eq!(client.json("/api/failed")["failed"].as_array().unwrap().len(), 8);
    }
}

#[test]
fn a_failed_job_is_retried_with_another_payload() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run([("a", Then::FailNow), ("b", Then::FailNow)]);
        let client = served.client();
        let failed = client.json("/api/failed")["failed"].as_array().unwrap().clone();
        let (first, second) = (failed[1]["id"].clone(), failed[0]["id"].clone());
        let refused = client.act("retry", &json!({"ids": [first], "payload": "{not json"}));
        assert_eq!(refused.status, 400);
        assert!(
            refused.json()["error"].as_str().unwrap().starts_with("the payload is no JSON"),
            "{refused:?}"
        );
        let refused = client.act("retry", &json!({"ids": [first, second], "payload": "{}"}));
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (400, &json!("a payload is for one failed job"))
        );

        let mended = json!({"name": "mended", "then": "Succeed"}).to_string();
        assert_eq!(client.done("retry", json!({"ids": [first], "payload": mended}))["done"], json!(1));
        let waits = client.json("/api/jobs")["jobs"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(client.json(&format!("/api/jobs/{waits}"))["payload"], json!(mended));
        assert_eq!(served.queue.worker().stop_when_empty().run().unwrap().done, 1);
    }
}

#[test]
fn queues_are_paused_and_workers_asked_to_restart() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        let client = served.client();
        assert_eq!(client.done("pause", json!({"queue": "mail"})), json!({"changed": true}));
        assert_eq!(client.done("pause", json!({"queue": "mail"})), json!({"changed": false}));
        assert!(served.queue.paused(None).unwrap().contains("mail"));
        assert_eq!(client.done("resume", json!({"queue": "mail"})), json!({"changed": true}));
        assert!(served.queue.paused(None).unwrap().is_empty());
        assert_eq!(client.done("restart", json!({})), json!({"changed": true}));
        assert_eq!(client.act("pause", &json!({})).status, 400, "no queue is named");
        assert_eq!(client.act("pause", &json!({"queue": "a", "all": true})).status, 400, "an unknown field");
    }
}
