//! The README is short, its program does what is said, and it leads to every page of the guide.

use crate::programs::{example, program, run};
use crate::support::Folder;

const README: &str = include_str!("../../README.md");

/// As somebody types it in the first minute.
#[test]
fn the_first_program_works_as_it_is_told() {
    let folder = Folder::new();
    let first = |arguments: &[&str]| {
        let said = run(program(&example("first"), &folder, arguments));
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.err);
        said
    };
    first(&["queue:install"]);
    first(&["queue:push", "CreateInvoice", "{\"order_id\": 1}"]);
    first(&["queue:work", "--stop-when-empty"]);
    assert_eq!(std::fs::read_to_string(folder.join("invoices/1.txt")).unwrap(), "Thank you.");
}

#[test]
fn the_first_program_is_the_example_of_that_name() {
    let example = include_str!("../../examples/first.rs");
    for page in [README, include_str!("../../src/guide/getting_started.md")] {
        let samples: Vec<_> = page.split("```rust").skip(1).collect();
        assert_eq!(samples.len(), 1, "the other samples are doc tests of the guide");
        let (_, sample) = samples[0].split_once('\n').unwrap();
        let (sample, _) = sample.split_once("```").expect("a sample ends");
        assert!(example.ends_with(sample), "this is another program:\n{sample}");
    }
}

#[test]
fn it_is_read_in_ten_minutes_and_leads_to_every_page_of_the_guide() {
    let lines = README.lines().count();
    assert!(lines <= 250, "{lines} lines: what a reader of the first page does not need stands in the guide");
    for (page, _) in crate::guide::pages() {
        assert!(README.contains(&format!("]({page})")), "the README does not lead to {page}");
    }
}

#[test]
fn it_names_the_version_that_this_is() {
    let version = env!("CARGO_PKG_VERSION");
    let (minor, _) = version.rsplit_once('.').unwrap();
    for page in [README, include_str!("../../src/guide/getting_started.md")] {
        assert!(page.contains(&format!("craft-queue = \"{minor}\"")), "the dependency is on another version");
    }
    assert!(README.contains(&format!("### {version}\n")), "the changes of {version} are missing");
}
