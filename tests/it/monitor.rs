//! `queue:monitor` on each database.

use craft_queue::Queue;
use serde_json::{Value, json};

use crate::programs::{out, say};
use crate::support::{on_each_database, wait_until};

#[test]
fn a_queue_over_a_limit_is_told_and_the_status_is_1() {
    for (folder, config) in on_each_database() {
        out(&folder, &["queue:install"]);
        out(&folder, &["queue:push", "Echo", "--count", "3"]);
        // Neither what is due later counts, nor what another queue has.
        out(&folder, &["queue:push", "Echo", "--count", "5", "--delay", "1h"]);
        out(&folder, &["queue:push", "Echo", "--count", "5", "--queue", "mail"]);
        let queue = Queue::open(config, Default::default()).unwrap();
        wait_until("a wait of a tenth of a second", || {
            let wait = queue.size(None, &["default".into()]).unwrap()[0].oldest_wait;
            wait.is_some_and(|wait| wait.as_millis() >= 100)
        });

        let fine = out(&folder, &["queue:monitor", "default", "nothing", "--max", "3", "--max-wait", "1h"]);
        let lines: Vec<_> = fine.lines().collect();
        assert!(
            lines[0].starts_with("  default ") && lines[0].contains(" 3 waiting   oldest wait "),
            "{fine}"
        );
        assert!(lines[0].ends_with("   OK"), "{fine}");
        assert!(lines[1].contains(" 0 waiting   oldest wait -  ") && lines[1].ends_with("   OK"), "{fine}");
        assert_eq!(lines.len(), 2);
        assert_eq!(say(&folder, &["queue:monitor", "default"]).status, 0, "a thousand are many");

        let over = say(&folder, &["queue:monitor", "default", "mail", "--max", "4", "--max-wait", "0.01"]);
        assert_eq!((over.status, &*over.err), (1, ""));
        let lines: Vec<_> = over.out.lines().collect();
        assert!(lines[0].ends_with("   OVER --max-wait 10ms"), "{}", over.out);
        assert!(lines[1].ends_with("   OVER --max 4 and --max-wait 10ms"), "{}", over.out);

        let told = say(&folder, &["queue:monitor", "mail", "nothing", "--max", "0", "--json"]);
        assert_eq!(told.status, 1);
        let told: Value = serde_json::from_str(&told.out).unwrap();
        assert!(told[0]["oldest_wait_s"].as_f64().is_some(), "{told}");
        assert_eq!(
            (&told[0]["queue"], &told[0]["waiting"], &told[0]["ok"], &told[0]["over"], &told[0]["unknown"]),
            (&json!("mail"), &json!(5), &json!(false), &json!(["max"]), &json!([]))
        );
        let nothing = json!({"queue": "nothing", "waiting": 0, "oldest_wait_s": null, "ok": true, "over": [], "unknown": []});
        assert_eq!(told[1], nothing);
    }
}

#[test]
fn wrong_uses_are_refused() {
    let [(folder, _), ..] = on_each_database();
    let none = say(&folder, &["queue:monitor"]);
    assert_eq!(none.status, 2);
    let wrong = say(&folder, &["queue:monitor", "default", "--max", "many"]);
    assert_eq!((wrong.status, &*wrong.err), (2, "error: --max: \"many\" is not a whole number from 0\n"));
    let away = say(&folder, &["queue:monitor", "default"]);
    assert_eq!(away.status, 1);
    assert!(away.err.contains("has no table \"jobs\""), "{}", away.err);
}
