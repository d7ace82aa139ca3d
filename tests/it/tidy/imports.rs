//! Which file of `src` uses which: read from the source, name by name, through what others hand on.

use std::collections::{BTreeMap, BTreeSet};

/// The files by the path of their module (`driver/amqp` for `src/driver/amqp/mod.rs`, `` for `src/lib.rs`).
pub struct Files(BTreeMap<String, File>);

struct File {
    /// Modules that stand in files of their own.
    children: BTreeSet<String>,
    /// What its `use` declarations bring in: by which name, from where, and whether it is handed on.
    uses: Vec<Use>,
    /// Paths within its code.
    paths: Vec<Vec<String>>,
    words: Vec<String>,
}

struct Use {
    name: String,
    path: Vec<String>,
    is_handed_on: bool,
}

/// A file that a file uses, and the path that says so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub file: String,
    pub path: String,
}

impl Files {
    /// `modules` are the paths of modules, and the text of each.
    pub fn read(modules: Vec<(String, String)>) -> Self {
        let mut files = BTreeMap::new();
        let mut of_tests = BTreeSet::new();
        for (module, text) in modules {
            let words = words(&text);
            for index in 0..words.len() {
                // `#[cfg(test)] mod fake;`
                if words[index..]
                    .starts_with(&["#", "[", "cfg", "(", "test", ")", "]", "mod"].map(String::from))
                {
                    of_tests.insert(join(&module, &words[index + 8]));
                }
            }
            files.insert(module, File::read(words));
        }
        let is_of_tests = |module: &str| {
            of_tests.iter().any(|test| module == test || module.starts_with(&format!("{test}/")))
        };
        files.retain(|module, _| !is_of_tests(module));
        Self(files)
    }

    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a file uses. What it only hands on counts where `with_handed_on`.
    pub fn imports(&self, module: &str, with_handed_on: bool) -> BTreeSet<Import> {
        let file = &self.0[module];
        let is_used = |import: &&Use| {
            let count = file.words.iter().filter(|word| **word == import.name).count();
            // Once it stands in the declaration itself.
            with_handed_on || !import.is_handed_on || count > 1
        };
        let uses = file.uses.iter().filter(is_used).map(|import| &import.path);
        let found = uses
            .chain(&file.paths)
            .filter_map(|path| Some(Import { file: self.resolve(module, path, 0)?, path: path.join("::") }));
        found.filter(|import| import.file != module).collect()
    }

    /// The file in which a path ends, seen from a module; `None` for other crates.
    fn resolve(&self, module: &str, path: &[String], depth: u8) -> Option<String> {
        let mut at = module.to_owned();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (String::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            child if self.0.get(module)?.children.contains(child) => {}
            _ => return None,
        }
        while let [first, more @ ..] = rest {
            let file = self.0.get(&at)?;
            if first == "super" {
                at = at.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
            } else if self.0.contains_key(&join(&at, first)) && file.children.contains(first) {
                at = join(&at, first);
            } else {
                // What a file hands on is looked for where it comes from.
                let from = file.uses.iter().find(|import| import.name == *first && depth < 8);
                let from = from.and_then(|import| self.resolve(&at, &import.path, depth + 1));
                // The root has no items of its own but macros, which are of no file.
                return from.or((!at.is_empty()).then_some(at));
            }
            rest = more;
        }
        self.0.contains_key(&at).then_some(at)
    }

    /// Groups of files that use each other, directly or by way of others.
    pub fn circles(&self) -> Vec<BTreeSet<String>> {
        let direct: BTreeMap<&str, BTreeSet<String>> = self
            .modules()
            .map(|module| {
                (module, self.imports(module, false).into_iter().map(|import| import.file).collect())
            })
            .collect();
        let reached = |from: &str| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
            while let Some(next) = open.pop() {
                let new = direct[&*next].iter().filter(|file| !seen.contains(*file)).cloned();
                let new: Vec<_> = new.collect();
                seen.extend(new.iter().cloned());
                open.extend(new);
            }
            seen
        };
        let reached: BTreeMap<&str, BTreeSet<String>> =
            self.modules().map(|from| (from, reached(from))).collect();
        let circle = |from: &str| -> BTreeSet<String> {
            reached[from].iter().filter(|to| reached[to.as_str()].contains(from)).cloned().collect()
        };
        let circles: BTreeSet<_> = self.modules().map(circle).filter(|circle| circle.len() > 1).collect();
        circles.into_iter().collect()
    }
}

impl File {
    fn read(words: Vec<String>) -> Self {
        let (mut children, mut uses, mut paths) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut index = 0;
        while index < words.len() {
            let before = if index == 0 { "" } else { words[index - 1].as_str() };
            let next = words.get(index + 1).map_or("", String::as_str);
            match words[index].as_str() {
                "mod" if words.get(index + 2).is_some_and(|word| word == ";") => {
                    children.insert(next.to_owned());
                }
                // `impl Trait + use<'a>` is none.
                "use" if next != "<" => {
                    let is_handed_on = before == "pub" || before == ")";
                    index += 1;
                    tree(&words, &mut index, &mut Vec::new(), is_handed_on, &mut uses);
                }
                // `pub(in super::super)` says who sees an item.
                _ if next == "::" && before != "::" && before != "in" && is_name(&words[index]) => {
                    let mut path = vec![words[index].clone()];
                    while words.get(index + 1).is_some_and(|word| word == "::")
                        && words.get(index + 2).is_some_and(|word| is_name(word))
                    {
                        index += 2;
                        path.push(words[index].clone());
                    }
                    paths.push(path);
                }
                _ => {}
            }
            index += 1;
        }
        Self { children, uses, paths, words }
    }
}

/// Reads a tree of a `use` declaration from a word on, and stops behind it.
fn tree(
    words: &[String],
    index: &mut usize,
    path: &mut Vec<String>,
    is_handed_on: bool,
    uses: &mut Vec<Use>,
) {
    let depth = path.len();
    loop {
        match words[*index].as_str() {
            "{" => {
                *index += 1;
                while words[*index] != "}" {
                    tree(words, index, path, is_handed_on, uses);
                    if words[*index] == "," {
                        *index += 1;
                    }
                }
                *index += 1;
                break;
            }
            "::" => *index += 1,
            "self" if depth > 0 || !path.is_empty() => {
                *index += 1;
                add(words, index, path, is_handed_on, uses);
                break;
            }
            name => {
                path.push(name.to_owned());
                *index += 1;
                if words[*index] != "::" {
                    if name == "*" {
                        path.pop();
                    }
                    add(words, index, path, is_handed_on, uses);
                    break;
                }
            }
        }
    }
    path.truncate(depth);
}

fn add(words: &[String], index: &mut usize, path: &[String], is_handed_on: bool, uses: &mut Vec<Use>) {
    let mut name = path.last().cloned().unwrap_or_default();
    if words[*index] == "as" {
        name = words[*index + 1].clone();
        *index += 2;
    }
    uses.push(Use { name, path: path.to_vec(), is_handed_on });
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}/{child}") }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words and signs of a source, without its comments, its strings and the tests at its end.
fn words(text: &str) -> Vec<String> {
    let text = text.split("\nmod tests {").next().unwrap_or_default();
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut words = Vec::new();
    let mut index = 0;
    while index < chars.len() {
        let c = chars[index];
        let start = index;
        match c {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && chars[index] != '\n' {
                    index += 1;
                }
                continue;
            }
            '"' => {
                index += 1;
                while index < chars.len() && chars[index] != '"' {
                    index += if chars[index] == '\\' { 2 } else { 1 };
                }
            }
            // Raw text ends at a quote with as many signs behind it.
            'r' if at(index + 1) == '"' || (at(index + 1) == '#' && "#\"".contains(at(index + 2))) => {
                let signs = chars[index + 1..].iter().take_while(|c| **c == '#').count();
                index += signs + 2;
                while index < chars.len()
                    && !(chars[index] == '"' && (1..=signs).all(|sign| at(index + sign) == '#'))
                {
                    index += 1;
                }
                index += signs;
            }
            // A character, and no lifetime.
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                index += if at(index + 1) == '\\' { 2 } else { 1 };
                while index + 1 < chars.len() && at(index + 1) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            ':' if at(index + 1) == ':' => {
                words.push("::".into());
                index += 1;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at(index + 1).is_alphanumeric() || at(index + 1) == '_' {
                    index += 1;
                }
                words.push(chars[start..=index].iter().collect());
            }
            c if c.is_whitespace() => {}
            sign => words.push(sign.into()),
        }
        index += 1;
    }
    words
}

#[test]
fn imports_are_found_however_they_are_written() {
    let module = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = Files::read(vec![
        module("", "mod a; mod b; pub use a::{Shown as Known, inner::*};"),
        module("a", "pub mod inner; pub(crate) use self::inner::Deep; use crate::b; // use crate::c;"),
        module("a/inner", "use super::super::b::{self, Thing}; const TEXT: &str = \"use crate::a\";"),
        module("b", "fn f() { crate::a::Deep::new(); let c = '\"'; super::Known }"),
    ]);
    let found = |module: &str, with| -> Vec<_> {
        files.imports(module, with).into_iter().map(|import| import.file).collect()
    };
    assert_eq!(found("", true), ["a", "a/inner"]);
    assert!(found("", false).is_empty(), "it only hands on");
    assert_eq!(found("a", true), ["a/inner", "b"]);
    assert_eq!(found("a/inner", true), ["b", "b"]);
    assert_eq!(found("b", true), ["a", "a/inner"]);
    let circles = files.circles();
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].iter().collect::<Vec<_>>(), ["a", "a/inner", "b"]);
}
