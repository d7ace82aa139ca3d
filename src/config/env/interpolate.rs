//! `${VAR}` and `${VAR:-default}` inside strings; `$${` is a plain `${`.
//!
//! Done after the file was parsed, so that the value of a variable is never read as TOML.

use std::ffi::OsString;

use crate::config::diagnostics::ValueError;
use crate::error::Result as CrateResult;

/// Looks up variables.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// The value of a variable, when it is set.
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, ValueError> {
        let not_text = |_| ValueError::new(format!("the environment variable {name} is not UTF-8"));
        (self.0)(name).map(|value| value.into_string().map_err(not_text)).transpose()
    }

    /// The value of a variable that overrides the file; set to nothing it overrides nothing.
    pub(super) fn filled(&self, name: &'static str) -> CrateResult<Option<String>> {
        let value = self.get(name).map_err(|wrong| wrong.at(name))?;
        Ok(value.filter(|value| !value.trim().is_empty()))
    }
}

/// Puts the variables in; `None` when the text has none.
///
/// As in a shell, the default also stands in for a variable that is set and empty. A default goes to
/// the next `}` and is taken as it is.
pub(crate) fn interpolate(text: &str, environment: &Environment<'_>) -> Result<Option<String>, ValueError> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut complete = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            complete.push_str(before);
            complete.push_str("${");
            rest = &found[2..];
            continue;
        }
        let (inside, after) = found[2..].split_once('}').ok_or_else(|| {
            ValueError::new("a ${ has no closing }").with_help("write $${ where a plain ${ is meant")
        })?;
        complete.push_str(before);
        complete.push_str(&variable(inside, environment)?);
        rest = after;
    }
    complete.push_str(rest);
    Ok(Some(complete))
}

/// The names of the variables in a text that was interpolated.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).map(|inside| inside.split(['}', ':']).next().unwrap_or_default())
}

/// Variables that a job's program gets, and queue.toml does not.
const OF_JOBS: [&str; 4] = ["CRAFT_JOB_ID", "CRAFT_JOB_NAME", "CRAFT_ATTEMPT", "CRAFT_QUEUE"];

fn variable(inside: &str, environment: &Environment<'_>) -> Result<String, ValueError> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ValueError::new("a ${…} names no variable of the environment")
            .with_help("write ${NAME} or ${NAME:-default}, and $${ where a plain ${ is meant"));
    }
    match (environment.get(name)?, default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ValueError::new(format!("the environment variable {name} is not set")).with_help(
            match OF_JOBS.contains(&name) {
                true => format!("the program of a job has it while it runs: write $${{{name}}}, which leaves ${{{name}}} to its shell"),
                false => format!("set it, or give a default: ${{{name}:-…}}"),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpolated(text: &str) -> Result<Option<String>, ValueError> {
        let variable = |name: &str| match name {
            "HOST" => Some("db.example".into()),
            "_P1" => Some("p\"]\n${HOST}".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        interpolate(text, &Environment(&variable))
    }

    #[test]
    fn variables_are_put_in() {
        let table = [
            ("plain $HOST $$ {x}", None),
            ("${HOST}", Some("db.example")),
            ("a ${HOST}:${PORT:-5432}/${HOST} z", Some("a db.example:5432/db.example z")),
            ("${_P1}", Some("p\"]\n${HOST}")),
            ("${EMPTY}|${EMPTY:-x}|${NONE:-}", Some("|x|")),
            ("${NONE:-a:-b $x}", Some("a:-b $x")),
            ("$${HOST} $$${HOST}", Some("${HOST} $${HOST}")),
            ("é${HOST}é", Some("édb.exampleé")),
        ];
        for (text, expected) in table {
            assert_eq!(interpolated(text).unwrap().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = [
            ("${NONE}", "the environment variable NONE is not set"),
            ("${HOST", "a ${ has no closing }"),
            ("${}", "a ${…} names no variable of the environment"),
            ("${1A}", "a ${…} names no variable of the environment"),
            ("${A B}", "a ${…} names no variable of the environment"),
        ];
        for (text, expected) in table {
            assert_eq!(interpolated(text).unwrap_err().message, expected, "{text}");
        }
        let help = |text| interpolated(text).unwrap_err().help.unwrap();
        assert_eq!(help("${NONE}"), "set it, or give a default: ${NONE:-…}");
        assert_eq!(
            help("echo ${CRAFT_JOB_ID}"),
            "the program of a job has it while it runs: write $${CRAFT_JOB_ID}, which leaves ${CRAFT_JOB_ID} to its shell"
        );
    }

    #[test]
    fn the_names_of_variables() {
        assert_eq!(variables("a${B}c${D:-e}").collect::<Vec<_>>(), ["B", "D"]);
    }
}
