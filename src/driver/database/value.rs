//! Values of statements that are not on the hot path, and the rows that they answer.

use std::time::Duration;

use crate::driver::Size;
use crate::time::whole_millis;

/// A value of a statement that is not on the hot path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Duration> for Value {
    fn from(span: Duration) -> Self {
        Self::Number(whole_millis(span))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A list as one value: a JSON array, which all three databases can unfold.
pub(crate) fn list<T: serde::Serialize>(items: &[T]) -> Value {
    // Strings and numbers always serialize.
    Value::Text(serde_json::to_string(items).unwrap_or_else(|_| "[]".into()))
}

/// An answered row. A column of another type than asked for reads as empty or 0: the statements are ours.
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    pub(crate) fn text(&self, column: usize) -> String {
        match self.0.get(column) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    pub(crate) fn maybe_text(&self, column: usize) -> Option<String> {
        match self.0.get(column) {
            None | Some(Value::Null) => None,
            _ => Some(self.text(column)),
        }
    }

    pub(crate) fn number(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn count(&self, column: usize) -> u64 {
        self.number(column).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }

    /// How `size.sql` and `size_up_to.sql` answer.
    pub(crate) fn size(&self) -> Size {
        Size {
            queue: self.text(0),
            waiting: Some(self.count(1)),
            delayed: Some(self.count(2)),
            running: Some(self.count(3)),
            oldest_wait: self.millis(4),
        }
    }

    pub(crate) fn millis(&self, column: usize) -> Option<Duration> {
        self.number(column).map(millis)
    }
}

/// A span in milliseconds; negative means none.
pub(crate) fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
