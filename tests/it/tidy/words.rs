//! One word for one thing: the field's own. The words that were in use here before come back nowhere.

use super::code;

/// File names, by the folder in which they would mean something that the field calls otherwise.
const FILES: [(&str, &[&str]); 6] = [
    ("src/queue/", &["desk", "outlet", "graveyard", "told", "work", "pool", "pusher"]),
    (
        "src/worker/",
        &[
            "pump", "line", "exchange", "verdicts", "clock", "held", "pace", "setup", "orders", "holds",
            "ending",
        ],
    ),
    (
        "src/runner/",
        &[
            "keeper", "nursery", "card", "give", "hear", "look", "line", "letters", "frames", "wire",
            "alarm", "shelf", "death", "deaths", "starts", "warden", "system", "program", "process",
        ],
    ),
    (
        "src/driver/",
        &[
            "bell", "signal", "letter", "intake", "ladder", "starts", "orphans", "wire", "refusal", "husks",
            "explain", "anyone", "holds",
        ],
    ),
    ("src/config/", &["kind", "kinds", "wrong", "source", "nearest", "mask"]),
    ("src/cli/", &["stock", "human", "machine", "meta"]),
];

/// Types, by the folder as above.
const TYPES: [(&str, &[&str]); 5] = [
    ("src/queue/", &["Inner", "Desk", "Letter", "Otherwise", "Parcel", "Builder"]),
    ("src/worker/", &["Pump", "Note", "Orders", "Tended"]),
    ("src/runner/", &["Nursery", "Bench", "Shelf", "Tell", "Starts"]),
    ("src/config/", &["Flag", "Source", "Entry", "Kind"]),
    ("src/", &["FailedDesk", "Told", "Sent", "Bell", "Orphans", "Steer", "Surroundings"]),
];

/// Functions, anywhere.
const FUNCTIONS: [&str; 5] = ["was_in_the_way", "insist", "stand_aside", "bury_the_dead", "humane"];

/// Words that no documentation says. They are those of the lists above that are no everyday English.
const DOCS: [&str; 24] = [
    "desk",
    "outlet",
    "graveyard",
    "pusher",
    "parcel",
    "nursery",
    "shelf",
    "warden",
    "keeper",
    "husk",
    "husks",
    "intake",
    "ladder",
    "bell",
    "pump",
    "steer",
    "surroundings",
    "the dead lie",
    "whoever",
    "signs of life",
    "sign of life",
    "are told",
    "what has waited",
    "good bye",
];

#[test]
fn no_file_has_a_private_word_for_its_name() {
    for (path, _) in code("src") {
        for (folder, names) in FILES {
            let Some(rest) = path.strip_prefix(folder) else { continue };
            let words = rest.trim_end_matches(".rs").split('/');
            // What tests are about is called as their readers would.
            let found = words.take_while(|word| *word != "tests").find(|word| names.contains(word));
            assert!(
                found.is_none(),
                "{path}: the field has another word for `{}`",
                found.unwrap_or_default()
            );
        }
    }
    let registry = code("src").into_iter().find(|(path, _)| path == "src/jobs.rs");
    assert!(registry.is_none(), "the names that a program knows are its registry");
}

#[test]
fn no_type_and_no_function_has_a_private_word_for_its_name() {
    for (path, text) in code("src") {
        for line in text.lines() {
            let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for pair in words.windows(2) {
                let names = TYPES.iter().filter(|(folder, _)| path.starts_with(folder));
                let is_type = ["struct", "enum", "trait", "type"].contains(&pair[0])
                    && names.into_iter().any(|(_, names)| names.contains(&pair[1]));
                let is_function = pair[0] == "fn" && FUNCTIONS.contains(&pair[1]);
                assert!(!is_type && !is_function, "{path}: the field has another word for `{}`", pair[1]);
            }
        }
    }
}

#[test]
fn no_documentation_says_a_private_word() {
    let is_doc = |line: &&str| ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark));
    for (path, text) in code("src") {
        for line in text.lines().filter(is_doc) {
            let words = line.to_lowercase();
            let words =
                format!(" {} ", words.split(|c: char| !c.is_alphanumeric()).collect::<Vec<_>>().join(" "));
            let found = DOCS.iter().find(|word| words.contains(&format!(" {word} ")));
            assert!(found.is_none(), "{path}: `{}` in {}", found.unwrap_or(&""), line.trim());
        }
    }
}
