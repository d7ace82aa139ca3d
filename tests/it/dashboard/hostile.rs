//! Text from outside is shown as text, whatever it looks like.

use serde_json::json;

use super::Served;
use super::webdriver::Browser;
use crate::support::on_each_database;

const PIECES: [&str; 20] = [
    "<img src=x onerror=alert(1)>",
    "<script>window.pwned = 1</script>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "<iframe srcdoc=\"<script>parent.pwned = 1</script>\">",
    "javascript:alert(1)",
    "</pre></td></tr></table><h1>",
    "{{base}}",
    "${7*7}",
    "<!--",
    "]]>",
    "&lt;b&gt;&amp;",
    "\u{202e}\u{2066}\u{200b}",
    "\u{0}\u{1b}[31m\u{9b}",
    "\u{1f600}\u{e9}\u{fffd}",
    "../../../etc/passwd",
    "?a=b#c",
    "%00%ff%zz",
    "a\u{2028}b\u{2029}c",
    "<style>*{display:none}</style>",
];

/// Texts that differ, each of some pieces.
fn hostile() -> impl Iterator<Item = String> {
    (0..).map(|at: usize| {
        let piece = |step: usize| PIECES[at.wrapping_mul(step).wrapping_add(at / 7) % PIECES.len()];
        format!("{}{at}{}{}", piece(1), piece(3), piece(7)).replace('\0', "")
    })
}

#[test]
fn ten_thousand_hostile_texts_stay_texts() {
    let [(folder, config), ..] = on_each_database();
    let served = Served::on(config);
    let mut texts = hostile();
    let mut next = || texts.next().unwrap();
    let database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    database.execute_batch("BEGIN").unwrap();
    for at in 0..1_000 {
        database
            .execute(
                "INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at, options) \
                 VALUES (?1, 'database', ?2, ?3, ?4, ?5, ?6, 1, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', ?7)",
                [format!("{at} {}", next()), next(), next(), next(), next(), format!("{}\n{}", next(), next()), next()],
            )
            .unwrap();
        database
            .execute("INSERT INTO jobs (name, queue, payload) VALUES (?1, ?2, ?3)", [next(), next(), next()])
            .unwrap();
    }
    database.execute_batch("COMMIT").unwrap();

    let browser = Browser::start();
    let home = format!("http://{}", served.server.address());
    browser.look(1280, 800, "light");
    let check = |what: &str| {
        let alive = "document.querySelectorAll('main img, main svg, main iframe, main script, main style, main h1 h1').length";
        assert_eq!(browser.value(alive), json!(0), "{what}");
        assert_eq!(
            browser.value("window.pwned === undefined && document.querySelectorAll('h1').length === 1"),
            json!(true)
        );
        assert_eq!(
            browser
                .value("[...document.querySelectorAll('a')].every((one) => one.origin === location.origin)"),
            json!(true)
        );
        assert_eq!(browser.complaints(), [""; 0], "{what}");
    };
    let mut rows = 0;
    for (list, name) in [("/failed", "Failed jobs"), ("/jobs", "Jobs")] {
        browser.open(&format!("{home}{list}"));
        browser.wait_for_text(name);
        loop {
            browser.wait_for("document.querySelector('tbody tr')");
            check(list);
            rows += browser.value("document.querySelectorAll('tbody tr').length").as_u64().unwrap();
            if browser.value("document.querySelector('a[rel=next]') === null") == json!(true) {
                break;
            }
            let first = browser.value("document.querySelector('tbody tr').dataset.key");
            browser.click("a[rel=next]");
            browser.wait_for(&format!("document.querySelector('tbody tr') && document.querySelector('tbody tr').dataset.key !== {first}"));
        }
    }
    assert_eq!(rows, 2_000);
    for path in ["/", "/failed/1", "/failed/999", "/jobs/1", "/jobs/500", "/failed?search=%3Cimg"] {
        browser.open(&format!("{home}{path}"));
        browser.wait_for("document.querySelector('h1')");
        check(path);
    }
}
