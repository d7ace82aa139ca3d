//! Whom the dashboard lets in, and what it never shows.

use serde_json::json;

use super::Served;
use crate::support::{Act, Then, on_each_database};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_page_of_somebody_else_can_do_nothing() {
    let [(_folder, config), ..] = on_each_database();
    let served = Served::on(config);
    served.queue.push(Act::new("a", Then::Succeed)).unwrap();
    let client = served.client();
    let body = json!({"all": {}}).to_string();
    let json_type = ("Content-Type", "application/json");
    for headers in [
        &[json_type][..],
        &[json_type, ("Sec-Fetch-Site", "cross-site")],
        &[json_type, ("Sec-Fetch-Site", "same-site")],
        &[json_type, ("Origin", "http://evil.example")],
        &[("Content-Type", "text/plain"), ("Sec-Fetch-Site", "same-origin")],
        &[("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")],
        &[json_type, ("Sec-Fetch-Site", "same-origin"), ("Host", "evil.example")],
    ] {
        let answer = client.request("POST", "/api/cancel", headers, &body);
        assert!([403, 415, 421].contains(&answer.status), "{headers:?}: {answer:?}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    }
    assert_eq!(client.get("/api/cancel").status, 405, "an address that is only opened does nothing");
    let rebound = client.request("GET", "/api/overview", &[("Host", "evil.example:80")], "");
    assert_eq!((rebound.status, rebound.body.contains("default")), (421, false));
    assert_eq!(served.queue.size(None, &["default".into()]).unwrap()[0].waiting, Some(1));
    for page in ["/", "/api/overview", "/nothing", "/page/app.js"] {
        let answer = client.get(page);
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    }
}

#[test]
fn a_token_is_asked_for_before_anything_is_shown() {
    let [(_folder, config), ..] = on_each_database();
    let served = Served::with(config, |dashboard| dashboard.token(TOKEN).unwrap());
    let client = served.client();
    for target in ["/api/overview", "/api/jobs", "/api/failed/1", "/metrics"] {
        assert_eq!(client.get(target).status, 401, "{target}");
    }
    assert_eq!(client.act("restart", &json!({})).status, 401);
    for target in ["/", "/page/app.js", "/healthz"] {
        assert_eq!(client.get(target).status, 200, "{target}: a sign-in needs it");
    }
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(client.request("GET", "/metrics", &[("Authorization", &bearer)], "").status, 200);
    let json_type = ("Content-Type", "application/json");
    let acts = client.request("POST", "/api/restart", &[json_type, ("Authorization", &bearer)], "{}");
    assert_eq!(acts.status, 200, "a program that has the token: {acts:?}");

    let signed_in = client.act("sign-in", &json!({"token": TOKEN}));
    let cookie = signed_in.header("Set-Cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(client.request("GET", "/api/overview", &[("Cookie", pair)], "").status, 200);
    let from_elsewhere = [json_type, ("Cookie", pair), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(client.request("POST", "/api/restart", &from_elsewhere, "{}").status, 403);
    let ours = [json_type, ("Cookie", pair), ("Sec-Fetch-Site", "same-origin")];
    let out = client.request("POST", "/api/sign-out", &ours, "{}");
    assert!(out.header("Set-Cookie").unwrap().contains("Max-Age=0"), "{out:?}");

    for _ in 0..5 {
        // A page of somebody else can't use up the tries of the minute.
        let elsewhere = [json_type, ("Sec-Fetch-Site", "cross-site")];
        let body = json!({"token": "wrong"}).to_string();
        assert_eq!(client.request("POST", "/api/sign-in", &elsewhere, &body).status, 403);
    }
    for _ in 0..5 {
        assert_eq!(client.act("sign-in", &json!({"token": "wrong"})).status, 401);
    }
    let late = client.act("sign-in", &json!({"token": TOKEN}));
    assert_eq!((late.status, &late.json()["error"]), (429, &json!("too many wrong tokens")));
    assert_eq!(client.request("GET", "/api/overview", &[("Cookie", pair)], "").status, 200, "others stay in");
}

#[test]
fn a_read_only_dashboard_shows_and_does_nothing() {
    let [(_folder, config), ..] = on_each_database();
    let served = Served::with(config, craft_queue::dashboard::Dashboard::read_only);
    let client = served.client();
    assert_eq!(client.json("/api/overview")["read_only"], json!(true));
    for name in ["pause", "resume", "restart", "cancel", "retry", "forget"] {
        assert_eq!(client.act(name, &json!({"queue": "a"})).status, 403, "{name}");
    }
    assert!(served.queue.paused(None).unwrap().is_empty());
}

#[test]
fn masked_fields_are_neither_shown_nor_found() {
    for (_folder, mut config) in on_each_database() {
        config.dashboard.mask = vec!["na*".into()];
        let mask = config.dashboard.mask.clone();
        let served = Served::with(config, |dashboard| dashboard.mask(mask).unwrap());
        served.run([("secret-of-the-shop", Then::FailNow)]);
        served.queue.push(Act::new("secret-of-the-shop", Then::Succeed)).unwrap();
        let client = served.client();
        let hidden = r#"{"name":"•••","then":"FailNow"}"#;
        let failed = client.json("/api/failed")["failed"][0].clone();
        assert_eq!((&failed["payload"], &failed["masked"]), (&json!(hidden), &json!(true)));
        let id = failed["id"].as_str().unwrap();
        assert_eq!(client.json(&format!("/api/failed/{id}"))["payload"], json!(hidden));
        let job = client.json("/api/jobs")["jobs"][0]["id"].as_str().unwrap().to_owned();
        assert!(!client.get(&format!("/api/jobs/{job}")).body.contains("secret"));
        for search in ["secret", "of-the"] {
            let found = client.get(&format!("/api/failed?search={search}"));
            assert_eq!(found.json()["failed"], json!([]), "{search}");
        }
        assert_ne!(client.json("/api/failed?search=FailNow")["failed"], json!([]));
        // What is acted on is what is shown.
        for name in ["retry", "forget"] {
            let done = client.done(name, json!({"all": {"search": "secret-of"}}));
            assert_eq!((&done["done"], &done["next"]), (&json!(0), &json!(null)));
        }
        let edit = |chosen: serde_json::Value| client.act("retry", &chosen);
        for search in ["secret-of", "nowhere"] {
            let refused = edit(json!({"all": {"search": search}, "payload": "{"}));
            assert_eq!(refused.json()["error"], json!("a payload is for one failed job"), "{search}");
        }
        let refused = edit(json!({"ids": [id], "payload": "{}"}));
        assert_eq!(refused.status, 400);
        assert!(refused.json()["error"].as_str().unwrap().contains("has hidden fields"), "{refused:?}");
    }
}

#[test]
fn it_lies_where_its_server_says() {
    let [(_folder, config), ..] = on_each_database();
    let served = Served::with(config, |dashboard| dashboard.base_path("/shop/jobs/").unwrap());
    let client = served.client();
    let to_it = client.get("/shop/jobs");
    assert_eq!((to_it.status, to_it.header("Location")), (308, Some("/shop/jobs/")));
    let page = client.get("/shop/jobs/");
    assert!(page.body.contains("src=\"/shop/jobs/page/app.js\""), "{}", page.body);
    assert_eq!(client.get("/shop/jobs/page/app.js").status, 200);
    assert_eq!(client.get("/shop/jobs/api/overview").status, 200);
    assert_eq!(client.get("/api/overview").status, 404);
    for target in ["/shop/jobsx", "/shop/jobsapi/overview", "/shop/jobsmetrics"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    let dashboard = || craft_queue::dashboard::Dashboard::new(served.queue.clone());
    for path in ["jobs", "//evil.example", "/a/../b", "/a//b", "/a b"] {
        assert!(dashboard().base_path(path).is_err_and(|error| error.is_config()), "{path}");
    }
    for name in ["", "jobs.example.org:7722", "http://jobs.example.org"] {
        assert!(dashboard().host(name).is_err_and(|error| error.is_config()), "{name}");
    }
}

#[test]
fn a_search_goes_through_long_payloads_of_which_fields_are_hidden() {
    for (_folder, config) in on_each_database() {
        let served = Served::with(config, |dashboard| dashboard.mask(["token".to_owned()]).unwrap());
        let long: &'static str = Box::leak(format!("{} ORDER77", "y".repeat(400)).into_boxed_str());
        served.run([(long, Then::FailNow), ("short", Then::FailNow)]);
        let client = served.client();
        let found = client.json("/api/failed?search=order77");
        assert_eq!(found["failed"].as_array().unwrap().len(), 1, "{found}");
        let done = client.done("forget", json!({"all": {"search": "ORDER77"}}));
        assert_eq!(done["done"], json!(1));
        assert_eq!(client.json("/api/failed")["failed"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_search_for_what_no_text_has_finds_nothing() {
    for (_folder, config) in on_each_database() {
        let served = Served::on(config);
        served.run([("a", Then::FailNow)]);
        let client = served.client();
        assert_eq!(client.get("/api/failed?search=%00").status, 400);
        let forget = client.act("forget", &json!({"all": {"search": "\u{0}no such text"}}));
        assert_eq!(forget.status, 400, "{forget:?}");
        let elsewhere = client.done("forget", json!({"all": {}, "before": "no number"}));
        assert_eq!(elsewhere["done"], json!(0), "a page that begins nowhere has nothing");
        assert_eq!(client.json("/api/failed")["failed"].as_array().unwrap().len(), 1);
    }
}
