//! Every statement of the guide's page on SQL does what the page says, typed into each database's shell.

use craft_queue::{Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::support::{Diary, shells};

#[derive(Serialize, Deserialize)]
struct CreateInvoice {
    order_id: i64,
}

impl Queueable for CreateInvoice {
    const NAME: &'static str = "CreateInvoice";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note(format!("{} of {} in {}", self.order_id, job.attempts(), job.queue()));
        Ok(())
    }
}

/// The statements of a chapter: a plain push, one with options, one with keys, one that replaces.
fn statements(chapter: &str) -> [&'static str; 4] {
    let page = include_str!("../../src/guide/pushing_with_sql.md");
    let chapter = page.split("\n## ").find(|text| text.starts_with(chapter)).expect("a chapter");
    let blocks = chapter.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    blocks.collect::<Vec<_>>().try_into().expect("four of them")
}

#[test]
fn what_the_page_says_can_be_typed_into_any_shell() {
    for ((_folder, config, shell), chapter) in shells().into_iter().zip(["SQLite", "PostgreSQL", "MySQL"]) {
        let [plain, options, once, newest] = statements(chapter);
        let diary = Diary::default();
        let queue = Queue::open(config, Jobs::new().state(diary.clone()).add::<CreateInvoice>()).unwrap();
        queue.install().unwrap();
        // What is rolled back was never pushed.
        shell(&format!(
            "{};\n{plain}\nROLLBACK;",
            if chapter == "MySQL" { "START TRANSACTION" } else { "BEGIN" }
        ));
        for sql in [plain, options, once, once, newest] {
            shell(sql);
        }
        let sizes = || queue.size(None, &["default".into(), "invoices".into()]).unwrap();
        let [default, invoices] = &sizes()[..] else { panic!("two queues") };
        assert_eq!((default.waiting, default.delayed), (Some(3), Some(0)), "{chapter}");
        assert_eq!((invoices.waiting, invoices.delayed), (Some(0), Some(1)), "{chapter}");
        // A key that was inserted by hand is one for the library, too, and the other way round.
        let pushed = queue.options().unique("order-3").push(CreateInvoice { order_id: 0 }).unwrap();
        assert!(!pushed.is_added(), "{chapter}");
        assert_eq!(queue.worker().stop_when_empty().run().unwrap().done, 3);
        let mut lines = diary.lines();
        lines.sort();
        assert_eq!(lines, ["1 of 3 in default", "33 of 3 in default", "4 of 3 in default"], "{chapter}");
        let row = shell("SELECT priority, attempts, options FROM jobs WHERE queue = 'invoices'");
        assert_eq!(row.trim(), "5|0|{\"attempts\": 5, \"timeout\": 30, \"priority\": 5}", "{chapter}");
    }
}
