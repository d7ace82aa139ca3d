//! What the guide says is so: its SQL can be typed into each database's shell, its configurations can be copied, its
//! commands exist, and its tables are whole. Its Rust samples are doc tests.

use std::collections::{BTreeMap, BTreeSet};

use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::programs::{craft, run};
use crate::support::{Diary, Folder, shells};

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

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages of the guide: path within the repository, and text.
pub fn pages() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(format!("{ROOT}/src/guide")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let path = |name: String| format!("src/guide/{name}");
    let read = |path: String| (path.clone(), std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap());
    names.filter(|name| name.ends_with(".md")).map(path).map(read).collect()
}

/// The pages of the guide, and the README.
fn all_pages() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    std::iter::once(("README.md".into(), readme)).chain(pages()).collect()
}

/// The blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(&begin).skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_page_is_part_of_the_docs() {
    let docs = include_str!("../../src/guide/mod.rs");
    for (path, _) in pages() {
        let name = path.rsplit('/').next().unwrap();
        assert!(docs.contains(&format!("include_str!(\"{name}\")")), "{name} is no page of the docs");
    }
}

/// A configuration that is copied needs none of its servers to begin.
#[test]
fn every_configuration_can_be_copied() {
    let mut tried = 0;
    for (path, page) in all_pages() {
        for sample in blocks(&page, "toml").into_iter().filter(|sample| !sample.contains("[dependencies]")) {
            let folder = Folder::new();
            std::fs::write(folder.join("queue.toml"), sample).unwrap();
            let is_elsewhere = sample.contains(".example");
            let mut command = craft(&folder, &[if is_elsewhere { "job:list" } else { "queue:install" }]);
            if is_elsewhere {
                command.env("PASSWORD", "of the shop");
            }
            let said = run(command);
            assert_eq!((said.status, &*said.err), (0, ""), "{path}:\n{sample}");
            tried += 1;
        }
    }
    assert!(tried > 7, "{tried}");
}

/// What a page tells to type: the arguments of `craft`, in blocks and within sentences.
fn commands(page: &str) -> Vec<Vec<String>> {
    let typed = blocks(page, "console").into_iter().flat_map(str::lines).filter_map(|line| {
        let line = line.strip_prefix("$ ")?.split("  #").next()?;
        let (before, arguments) = line.split_once("craft ").or_else(|| line.split_once("cargo run -- "))?;
        // Variables of the environment may stand in front.
        before.split_whitespace().all(|word| word.contains('=')).then_some(arguments)
    });
    let prose = page.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let told = prose.filter_map(|code| code.strip_prefix("craft ")).filter(|code| !code.starts_with('…'));
    let words = |arguments: &str| arguments.split_whitespace().map(str::to_owned).collect();
    typed.chain(told).map(words).collect()
}

#[test]
fn every_command_exists_with_the_options_that_are_given() {
    let folder = Folder::new();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for (path, page) in all_pages() {
        for arguments in commands(&page) {
            let (name, arguments) = match &arguments[..] {
                [first, second, rest @ ..] if first == "queue" => (format!("queue:{second}"), rest),
                [first, rest @ ..] => (first.clone(), rest),
                [] => continue,
            };
            let help = helps.entry(name.clone()).or_insert_with(|| {
                let said = run(craft(&folder, &["help", if name == "help" { "man" } else { &name }]));
                assert_eq!(said.status, 0, "{path}: there is no command `craft {name}`: {}", said.err);
                said.out
            });
            for option in arguments.iter().filter(|word| word.starts_with("--")) {
                let is_there = help.split([' ', ',', '\n']).any(|word| word == option);
                assert!(is_there, "{path}: `craft {name}` has no option {option}");
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

/// `[jobs.NAME]` and `[connections.NAME]` are not there by themselves.
const KEYS_BY_NAME: [&str; 14] = [
    "url", "driver", "database", "host", "port", "username", "password", "command", "cwd", "env", "attempts",
    "backoff", "timeout", "queue",
];

#[test]
fn the_page_on_the_configuration_has_every_key_and_no_other() {
    let (_, page) = pages().into_iter().find(|(path, _)| path.ends_with("/configuration.md")).unwrap();
    let (_, tables) = page.split_once("## All keys").unwrap();
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let told: BTreeSet<&str> = rows.flat_map(|cell| cell.split('`').step_by(2)).collect();
    let keys = Config::new().entries();
    let keys = keys.iter().filter_map(|entry| entry.key.split_once('.'));
    let keys = keys.filter(|(section, _)| ["database", "amqp", "async", "dashboard"].contains(section));
    let keys: BTreeSet<&str> = keys.map(|(_, key)| key).chain(KEYS_BY_NAME).collect();
    assert_eq!(told, keys);
}
