//! The rules of the house, checked.

mod imports;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The floors: a file imports from its own floor and from those above it (a lower number).
const FLOORS: [(&str, u8); 31] = [
    ("error", 0),
    ("hash", 0),
    ("time", 0),
    ("backoff", 1),
    ("config", 1),
    ("context", 1),
    ("event", 1),
    ("job", 1),
    ("registry", 1),
    ("message", 1),
    ("payload", 1),
    ("policy", 1),
    ("push", 1),
    ("reserved", 1),
    ("driver", 2),
    ("failed", 2),
    ("conformance", 2),
    ("driver/memory", 3),
    ("driver/amqp", 3),
    ("driver/database", 3),
    ("runner", 3),
    ("worker", 4),
    ("control", 3),
    ("queue", 5),
    ("dashboard", 6),
    ("bench", 6),
    ("cli", 6),
    ("lib", 6),
    ("main", 6),
    ("clients", 6),
    ("guide", 6),
];

fn sources(folder: &str) -> Vec<(String, String)> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => visit(&path, found),
                false => found.push(path),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    visit(&root.join(folder), &mut paths);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        std::fs::read_to_string(&path).ok().map(|text| (name, text))
    };
    paths.into_iter().filter_map(read).collect()
}

/// The Rust files of a folder.
fn code(folder: &str) -> Vec<(String, String)> {
    sources(folder).into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

/// A source file without its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("\nmod tests {").next().unwrap()
}

fn floor(module: &str) -> Option<(&'static str, u8)> {
    let of = |(name, floor): &(&'static str, u8)| {
        let rest = module.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((*name, *floor))
    };
    FLOORS.iter().filter_map(of).max_by_key(|(name, _)| name.len())
}

/// The modules of the crate with their text, but for those of tests.
fn modules() -> imports::Files {
    let module = |(name, text): (String, String)| {
        let path = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        (if path == "lib" { String::new() } else { path.to_owned() }, text)
    };
    // The binary is another crate.
    let files = code("src").into_iter().filter(|(name, _)| !name.contains("/tests") && name != "src/main.rs");
    imports::Files::read(files.map(module).collect())
}

#[test]
fn a_file_imports_only_from_its_own_floor_and_those_above() {
    let files = modules();
    let on = |module: &str| {
        floor(if module.is_empty() { "lib" } else { module })
            .unwrap_or_else(|| panic!("src/{module} stands on no floor"))
    };
    let mut wrong = Vec::new();
    for module in files.modules() {
        let (own, height) = on(module);
        for import in files.imports(module, true) {
            let (other, other_height) = on(&import.file);
            if other_height > height && other != own {
                wrong.push(format!("src/{module} (floor {height}): {} in src/{}", import.path, import.file));
            }
        }
    }
    assert!(wrong.is_empty(), "imports from below:\n{}", wrong.join("\n"));
}

/// Files that use each other, and the reason.
const MUTUAL: [(&[&str], &str); 1] =
    [(&["context", "job", "push"], "a job is handed a context, by which it pushes further jobs")];

#[test]
fn files_do_not_use_each_other_in_circles() {
    let is_mutual = |circle: &BTreeSet<String>| MUTUAL.iter().any(|(files, _)| circle.iter().eq(*files));
    let circles: Vec<_> = modules().circles().into_iter().filter(|circle| !is_mutual(circle)).collect();
    // Two files of a circle are one, or lack a third one that both use.
    assert!(circles.is_empty(), "files that use each other in circles: {circles:#?}");
}

#[test]
fn a_file_holds_one_thing_and_so_at_most_400_lines() {
    let mut sizes: BTreeMap<usize, String> = BTreeMap::new();
    let mut lengths = Vec::new();
    for (name, text) in code("src") {
        let lines = text.lines().count();
        lengths.push(lines);
        sizes.insert(lines, name);
    }
    let (longest, name) = sizes.last_key_value().unwrap();
    assert!(*longest <= 400, "{name} has {longest} lines: two things in one room?");
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 150, "the median file has {median} lines");
}

/// What may be said in one file, or one folder, only.
#[test]
fn each_of_these_is_said_in_one_place() {
    let rules: [(&str, &[&str]); 6] = [
        ("amiquip", &["src/driver/amqp/client.rs"]),
        ("println!", &["src/cli/", "src/lib.rs"]),
        ("print!", &["src/cli/", "src/lib.rs"]),
        ("process::exit", &["src/cli/", "src/main.rs", "src/runner/process_pool/"]),
        ("SystemTime", &[]),
        ("Timestamp::now().as", &["src/time.rs"]),
    ];
    for (word, places) in rules {
        for (name, text) in code("src") {
            let code = without_tests(&text);
            let said = code.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            if let Some(line) = said {
                let allowed = places.iter().any(|place| name.starts_with(place));
                assert!(allowed || name.contains("/tests"), "{name} says `{word}`: {}", line.trim());
            }
        }
    }
}

#[test]
fn a_driver_decides_nothing_and_opens_no_payload() {
    for (name, text) in code("src/driver") {
        let code = without_tests(&text);
        for word in ["crate::policy", "crate::registry", "crate::job::", "serde_json::from_slice"] {
            assert!(!code.contains(word), "{name} says `{word}`");
        }
    }
}

#[test]
fn the_worker_names_no_driver() {
    for (name, text) in code("src/worker") {
        for word in ["sqlite", "postgres", "mysql", "amqp", "rabbit"] {
            assert!(!text.to_lowercase().contains(word), "{name} says `{word}`");
        }
    }
}

#[test]
fn every_database_has_the_same_statements_or_says_why_it_needs_another() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in std::fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        folders.insert(folder.file_name().unwrap().to_string_lossy().into_owned(), names);
    }
    // A file that only one has must say why: it is a step that the others don't need.
    let shared = |name: &String| folders.values().all(|names| names.contains(name));
    for (folder, names) in &folders {
        for name in names.iter().filter(|name| !shared(name)) {
            let text = std::fs::read_to_string(root.join(folder).join(name)).unwrap();
            assert!(text.starts_with("-- "), "sql/{folder}/{name} stands alone and does not say why");
        }
    }
}

#[test]
fn nothing_is_left_open() {
    for folder in ["src", "sql", "examples", "tests"] {
        for (name, text) in sources(folder) {
            for mark in ["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX", "#[ignore]"] {
                // This file has to say them.
                assert!(name.ends_with("tidy/mod.rs") || !text.contains(mark), "{name} says `{mark}`");
            }
        }
    }
}
