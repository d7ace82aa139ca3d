//! A key of the configuration: where its value lives, and what the value may be.

pub(crate) mod value;
pub(crate) mod value_types;

use std::fmt;

use self::value::Value;
use super::diagnostics::ValueError;

/// What a value may be: how it is read, checked and shown. `value_types.rs` has all of them.
pub(crate) struct ValueType<T> {
    /// Completes "expected …".
    pub(crate) expected: &'static str,
    /// Makes the value out of what the file, the environment or a flag says.
    pub(crate) read: fn(&Value) -> Option<T>,
    /// Whether it is in range; asked again for values that a program sets.
    pub(crate) valid: fn(&T) -> bool,
    /// As people read it.
    pub(crate) show: fn(&T) -> String,
    /// Whether the value must never be shown, not even a wrong one.
    pub(crate) secret: bool,
    /// What to do about a text that is wrong, where that is not plain from what is expected.
    pub(crate) hint: fn(&str) -> Option<&'static str>,
}

impl<T> ValueType<T> {
    pub(crate) const fn new(
        expected: &'static str,
        read: fn(&Value) -> Option<T>,
        valid: fn(&T) -> bool,
        show: fn(&T) -> String,
    ) -> Self {
        Self { expected, read, valid, show, secret: false, hint: |_| None }
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn hint(mut self, hint: fn(&str) -> Option<&'static str>) -> Self {
        self.hint = hint;
        self
    }

    fn take(&self, value: &Value) -> Result<T, ValueError> {
        let found = || if self.secret { value.sort() } else { value.to_string() };
        let read = |value: &Value| (self.read)(value).filter(self.valid);
        read(value).ok_or_else(|| match value {
            Value::Text(text) if read(&Value::loose(text)).is_some() => {
                self.wrong(&found()).with_help("write it without quotes")
            }
            _ => match value.text().and_then(self.hint) {
                Some(hint) => self.wrong(&found()).with_help(hint),
                None => self.wrong(&found()),
            },
        })
    }

    fn check(&self, value: &T) -> Result<(), ValueError> {
        if (self.valid)(value) {
            return Ok(());
        }
        let shown = (self.show)(value);
        let wrong = self.wrong(&shown);
        Err(match (self.hint)(&shown) {
            Some(hint) => wrong.with_help(hint),
            None => wrong,
        })
    }

    fn wrong(&self, found: &str) -> ValueError {
        ValueError::new(format!("expected {}, found {found}", self.expected))
    }
}

/// A value that is one of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Completes "expected …".
    const EXPECTED: &'static str;
    /// Every word with its value. The first word of a value is its name, the others are aliases.
    const WORDS: &'static [(&'static str, Self)];

    fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }

    fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }
}

impl<T: Choice> ValueType<T> {
    pub(crate) const fn choice() -> Self {
        Self::new(T::EXPECTED, |value| T::named(value.text()?), |_| true, |choice| choice.name().to_owned())
    }
}

/// One key: its name in the file, and the place in the typed configuration that it sets.
pub(crate) struct Field<'a> {
    pub(crate) name: &'static str,
    place: Box<dyn Place + 'a>,
}

impl<'a> Field<'a> {
    /// A key that always has a value.
    pub(crate) fn new<T>(name: &'static str, place: &'a mut T, kind: ValueType<T>) -> Self {
        Self { name, place: Box::new((place, kind)) }
    }

    /// A key that may be absent.
    pub(crate) fn optional<T>(name: &'static str, place: &'a mut Option<T>, kind: ValueType<T>) -> Self {
        Self { name, place: Box::new((place, kind)) }
    }

    /// Sets the value, when it is right.
    pub(crate) fn set(&mut self, value: &Value) -> Result<(), ValueError> {
        self.place.set(value)
    }

    /// Checks the value that is there.
    pub(crate) fn check(&self) -> Result<(), ValueError> {
        self.place.check()
    }

    /// Whether the value must never be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.place.is_secret()
    }

    /// The value as people read it, secrets masked; `None` when it is absent.
    pub(crate) fn show(&self) -> Option<String> {
        self.place.show()
    }
}

/// Writes the fields for `{:?}`, secrets masked.
pub(crate) fn debug(f: &mut fmt::Formatter<'_>, name: &str, fields: &[Field<'_>]) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    for field in fields {
        shown.field(field.name, &format_args!("{}", field.show().as_deref().unwrap_or("none")));
    }
    shown.finish()
}

trait Place {
    fn set(&mut self, value: &Value) -> Result<(), ValueError>;
    fn check(&self) -> Result<(), ValueError>;
    fn show(&self) -> Option<String>;
    fn is_secret(&self) -> bool;
}

impl<T> Place for (&mut T, ValueType<T>) {
    fn set(&mut self, value: &Value) -> Result<(), ValueError> {
        *self.0 = self.1.take(value)?;
        Ok(())
    }

    fn check(&self) -> Result<(), ValueError> {
        self.1.check(self.0)
    }

    fn show(&self) -> Option<String> {
        Some((self.1.show)(self.0))
    }

    fn is_secret(&self) -> bool {
        self.1.secret
    }
}

impl<T> Place for (&mut Option<T>, ValueType<T>) {
    fn set(&mut self, value: &Value) -> Result<(), ValueError> {
        *self.0 = Some(self.1.take(value)?);
        Ok(())
    }

    fn check(&self) -> Result<(), ValueError> {
        self.0.as_ref().map_or(Ok(()), |value| self.1.check(value))
    }

    fn show(&self) -> Option<String> {
        self.0.as_ref().map(self.1.show)
    }

    fn is_secret(&self) -> bool {
        self.1.secret
    }
}
