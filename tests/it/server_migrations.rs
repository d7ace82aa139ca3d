//! Migrations on servers, by many processes at once.

use std::thread;

use crate::process_site::{Place, on_every_server};
use crate::programs::{craft, run};

on_every_server!(migrations_at_once_apply_each_file_once);

/// The third file would fail, were it applied a second time.
fn migrations_at_once_apply_each_file_once(place: Place) {
    let folder = place.folder("", "");
    for command in ["queue:table", "queue:failed"] {
        assert_eq!(run(craft(&folder, &[command])).status, 0);
    }
    let own = "CREATE TABLE orders (id integer);\nINSERT INTO orders VALUES (1);\n";
    std::fs::write(folder.join("databases/migrations/9999_orders.sql"), own).unwrap();
    let applied: usize = thread::scope(|scope| {
        let migrate = || {
            let said = run(craft(&folder, &["migrate"]));
            assert_eq!(said.status, 0, "{}", said.err);
            said.out.matches("Applied").count()
        };
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(migrate)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(applied, 3);
    let status = run(craft(&folder, &["migrate:status"])).out;
    assert_eq!((status.matches("applied").count(), status.matches("pending").count()), (3, 0), "{status}");
}
