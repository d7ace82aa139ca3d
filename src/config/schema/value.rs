//! A value on its way into the configuration.

use std::fmt;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::diagnostics::ValueError;
use crate::config::env::interpolate::{Environment, interpolate, variables};
use crate::config::redact;

/// What the file, a variable of the environment, or a flag says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A string of the file, as it is written there.
    Text(String),
    /// Text that may stand for a number or a switch: from the environment, a flag, or a string of the
    /// file that holds `${…}`.
    Loose {
        /// What it comes to.
        text: String,
        /// What may be shown of it. A variable may hold anything, so this is the text before
        /// variables were put in.
        shown: String,
    },
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
    /// A date, or a number that is too large.
    Other(String),
}

impl Value {
    /// A value of the file, with the environment's variables put into strings.
    pub(crate) fn of_file(value: &DeValue<'_>, environment: &Environment<'_>) -> Result<Self, ValueError> {
        let nested = |value: &Spanned<DeValue<'_>>| Self::of_file(value.get_ref(), environment);
        Ok(match value {
            DeValue::String(text) => match interpolate(text, environment)? {
                Some(complete) => Self::Loose { text: complete, shown: text.to_string() },
                None => Self::Text(text.to_string()),
            },
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Self::Integer(integer),
                Err(_) => Self::Other(integer.to_string()),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(float) => Self::Float(float),
                Err(_) => Self::Other(float.to_string()),
            },
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Datetime(datetime) => Self::Other(datetime.to_string()),
            DeValue::Array(array) => Self::List(array.iter().map(nested).collect::<Result<_, _>>()?),
            DeValue::Table(table) => {
                let entries =
                    table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), nested(value)?)));
                Self::Table(entries.collect::<Result<_, ValueError>>()?)
            }
        })
    }

    /// A value of the environment or of a flag.
    pub(crate) fn loose(text: &str) -> Self {
        Self::Loose { text: text.to_owned(), shown: text.to_owned() }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Loose { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Loose { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Loose { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether a variable that went into it is likely to hold a secret.
    pub(crate) fn holds_secret(&self) -> bool {
        match self {
            Self::Loose { shown, .. } => variables(shown).any(redact::is_secret),
            Self::List(list) => list.iter().any(Self::holds_secret),
            Self::Table(table) => table.iter().any(|(_, value)| value.holds_secret()),
            _ => false,
        }
    }

    /// Whether the text takes the variable `name` of the environment.
    pub(crate) fn takes(&self, name: &str) -> bool {
        matches!(self, Self::Loose { shown, .. } if variables(shown).any(|variable| variable == name))
    }

    /// Its type, for messages that must not show the value.
    pub(crate) fn sort(&self) -> String {
        let inside = match self {
            Self::Text(_) | Self::Loose { .. } => return "a string".into(),
            Self::Integer(_) | Self::Float(_) => return "a number".into(),
            Self::Boolean(_) => return "a boolean".into(),
            Self::Other(_) => return "a date or a large number".into(),
            Self::List(list) => list.iter().find(|value| value.text().is_none()),
            Self::Table(table) => table.iter().map(|(_, value)| value).find(|value| value.text().is_none()),
        };
        let outside = if matches!(self, Self::List(_)) { "a list" } else { "a table" };
        inside.map_or(outside.into(), |value| format!("{outside} with {}", value.sort()))
    }
}

/// The longest text that is shown whole.
const SHOWN: usize = 60;

/// As messages show it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Loose { shown: text, .. } => {
                let mut text = redact::shown(text).to_owned();
                if let Some((end, _)) = text.char_indices().nth(SHOWN) {
                    text.truncate(end);
                    text.push('…');
                }
                write!(f, "{text:?}")
            }
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Other(text) => f.write_str(text),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Table(_) => f.write_str(&self.sort()),
        }
    }
}
