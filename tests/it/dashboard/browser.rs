//! The pages in a real browser, wide and narrow, light and dark. The pictures are left in `target/dashboard`.

use std::path::Path;

use serde_json::json;

use super::Served;
use super::webdriver::Browser;
use crate::support::{Act, Then, on_each_database};

fn keep(browser: &Browser, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
}

fn filled(config: craft_queue::Config) -> Served {
    let served = Served::on(config);
    served.run((0..3).map(|_| ("spoiled", Then::FailNow)));
    served.run([("wrong", Then::Panic)]);
    for at in 0..120 {
        served.queue.on("mail").push(Act::new(&format!("mail {at}"), Then::Succeed)).unwrap();
    }
    served.queue.on("reports").delay("2 hours").push(Act::new("report", Then::Succeed)).unwrap();
    served
}

#[test]
fn every_page_is_shown_whole_and_without_a_complaint() {
    let browser = Browser::start();
    let [sqlite, postgres, _] = on_each_database();
    for (name, (_folder, config)) in [("sqlite", sqlite), ("postgres", postgres)] {
        let served = filled(config);
        let home = format!("http://{}", served.server.address());
        // The page of the server before, which is gone.
        browser.open("about:blank");
        browser.complaints();
        let client = served.client();
        let id = |target: &str, list: &str| client.json(target)[list][0]["id"].as_str().unwrap().to_owned();
        let (job, failed) = (id("/api/jobs", "jobs"), id("/api/failed", "failed"));
        let pages = [
            ("overview", "/".to_owned(), "oldest wait"),
            ("jobs", "/jobs?queue=mail".into(), "Remove all that match"),
            ("job", format!("/jobs/{job}"), "Payload"),
            ("failed", "/failed".into(), "By what went wrong"),
            ("group", "/failed?job=Act&first_line=it+never+will".into(), "Retry all that match"),
            ("failed-job", format!("/failed/{failed}"), "Edit and retry"),
            ("no-job", "/jobs/999999".into(), "does not wait or run"),
            ("nothing-found", "/failed?search=nowhere".into(), "No failed job matches"),
        ];
        for (width, scheme) in [(1280, "light"), (360, "light"), (1280, "dark"), (360, "dark")] {
            browser.look(width, 800, scheme);
            for (page, path, text) in &pages {
                browser.open(&format!("{home}{path}"));
                browser.wait_for_text(text);
                let shown = format!("{page} at {width} pixels, {scheme}");
                assert_eq!(
                    browser.value("document.documentElement.scrollWidth <= innerWidth"),
                    json!(true),
                    "{shown} is wider than the window"
                );
                let nameless = "[...document.querySelectorAll('button, a, input, select')]\
                     .filter((one) => !(one.innerText.trim() || one.ariaLabel || one.labels?.length)).length";
                assert_eq!(browser.value(nameless), json!(0), "{shown} has something without a name");
                let complaints = browser.complaints();
                // A page that does not exist is told by the browser, too.
                let expected = usize::from(*page == "no-job");
                assert!(complaints.len() >= expected, "{shown}");
                assert!(
                    complaints.iter().all(|it| *page == "no-job" && it.contains("404")),
                    "{shown}: {complaints:?}"
                );
                keep(&browser, &format!("{name}-{page}-{width}-{scheme}"));
            }
        }
    }
}

#[test]
fn every_act_is_asked_for_done_and_told() {
    let browser = Browser::start();
    let [sqlite, postgres, _] = on_each_database();
    for (_folder, config) in [sqlite, postgres] {
        let served = filled(config);
        let waiting = |queue: &str| served.queue.size(None, &[queue.into()]).unwrap()[0].waiting;
        browser.look(1280, 800, "light");
        browser.open("about:blank");
        browser.complaints();
        browser.open(&format!("http://{}/", served.server.address()));

        browser.press("Pause queue mail");
        browser.wait_for_text("Workers take nothing new from it.");
        browser.press("Cancel");
        browser.press("Pause queue mail");
        browser.click("dialog [data-yes]");
        browser.wait_for_text("Queue mail is paused.");
        assert!(served.queue.paused(None).unwrap().contains("mail"));
        browser.press("Resume queue mail");
        browser.wait_for_text("Queue mail goes on.");

        // The failing job, its reason and the retry: two clicks from the first page.
        browser.click("a.tile.bad");
        browser.wait_for_text("it never will");
        browser.press("Retry 3 failed jobs Act");
        browser.click("dialog [data-yes]");
        browser.wait_for_text("Retried 3 failed jobs.");
        assert_eq!(waiting("default"), Some(3));

        // What a person types stays while the page is refreshed, and the field keeps the focus.
        browser.type_into("input[name=search]", "went");
        let looks = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/api/overview')).length";
        let before = browser.value(looks).as_u64().unwrap();
        browser.wait_for(&format!("{looks} >= {}", before + 2));
        assert_eq!(browser.value("document.activeElement.name"), json!("search"));
        browser.type_into("input[name=search]", " wrong\n");
        browser.wait_for("location.search.includes('search=went+wrong')");
        browser.wait_for(
            "!document.querySelector('.groups') && document.querySelectorAll('tbody tr').length === 1",
        );
        browser.press("Act");
        browser.wait_for_text("it went wrong");
        browser.press("Edit and retry");
        browser.clear("#dialog-field");
        browser.type_into("#dialog-field", "{not json");
        browser.click("dialog [data-yes]");
        browser.wait_for_text("the payload is no JSON");
        browser.press("Edit and retry");
        browser.clear("#dialog-field");
        browser.type_into("#dialog-field", r#"{"name": "mended", "then": "Succeed"}"#);
        browser.click("dialog [data-yes]");
        browser.wait_for_text("Retried 1 failed job.");
        browser.wait_for_text("No job has failed.");

        browser.press("Jobs");
        browser.wait_for_text("Next page");
        browser.press("Next page");
        browser.wait_for_text("First page");
        browser.value("history.back()");
        browser.wait_for("!location.search.includes('after')");
        browser.wait_for_text("Next page");
        // The browser goes back to where the page was scrolled.
        browser.value("scrollTo(0, 0)");
        browser.click("tbody input[type=checkbox]");
        browser.press("Remove 1 chosen job");
        browser.click("dialog [data-yes]");
        browser.wait_for_text("Removed 1 job.");
        browser.wait_for("!document.querySelector('[data-key] input:checked')");
        browser.press("Remove all that match");
        browser.click("dialog [data-yes]");
        browser.wait_for_text("No job waits or runs.");
        let left = ["mail", "default", "reports"].map(waiting);
        assert_eq!(left, [Some(0); 3]);
        let complaints = browser.complaints();
        assert!(
            complaints.iter().all(|it| it.contains("/api/retry") && it.contains("400")),
            "{complaints:?}"
        );
    }
}

#[test]
fn a_person_signs_in_and_out() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let [(_folder, config), ..] = on_each_database();
    let served = Served::with(config, |dashboard| dashboard.token(TOKEN).unwrap());
    let browser = Browser::start();
    browser.look(1280, 800, "light");
    browser.open(&format!("http://{}/jobs", served.server.address()));
    browser.wait_for_text("Sign in");
    browser.type_into("#token", "wrong\n");
    browser.wait_for_text("this is not the token");
    browser.type_into("#token", &format!("{TOKEN}\n"));
    browser.wait_for_text("No job waits or runs.");
    assert_eq!(browser.value("document.cookie"), json!(""), "no script reads the cookie");
    browser.press("Sign out");
    browser.wait_for("document.querySelector('#token')");
}
