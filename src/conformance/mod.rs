//! The contract of a driver as a test suite, for drivers of your own. Feature `conformance`.
//!
//! [`Backend`](crate::driver::Backend) and [`Driver`](crate::driver::Driver) say what the worker relies
//! on; each rule of it is a [`Check`] here, and a driver that passes all of them is one the worker can
//! trust. In the tests of your crate:
//!
//! ```
//! use craft_queue::conformance::{self, Subject};
//! use craft_queue::driver::memory::Memory;
//!
//! fn subject() -> Subject {
//!     let mut subject = Subject::new(Memory::new); // fresh, empty storage for each check
//!     subject.can.last_errors = false; // what your back end can't do is not checked
//!     subject
//! }
//!
//! // A test for each rule, `clearing::a_held_job_stays` and so on:
//! craft_queue::conformance_tests!(subject());
//!
//! // Or all of them in one go, with every broken rule in the panic:
//! # fn some() {
//! conformance::check(&subject());
//! # }
//! ```
//!
//! A check never asserts that something is quick: it waits for what must come, as long as
//! [`Subject::patience`] says, so that a slow machine breaks no rule.

#[macro_use]
mod list;

mod attempts;
mod burying;
mod clearing;
mod control;
mod delays;
mod exclusive;
mod failed_jobs;
mod fixture;
mod handle;
mod hostile;
mod inspecting;
mod large;
mod late;
mod leases;
mod notifiers;
mod order;
mod pushing;
mod put_back;
mod retries;
mod settling;
mod sizes;
mod subject;
mod suspects;
#[cfg(test)]
mod tests;
mod unique_keys;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::fixture::Fixture;
pub use self::subject::{Can, ForeignWriter, Storage, Subject};

/// One rule of the contract.
pub struct Check {
    chapter: &'static str,
    name: &'static str,
    needs: &'static [fn(&Can) -> bool],
    run: fn(&Fixture<'_>),
}

impl Check {
    /// Whether the subject can do what the rule is about.
    pub fn applies_to(&self, subject: &Subject) -> bool {
        self.needs.iter().all(|need| need(&subject.can))
    }

    /// Checks the rule.
    ///
    /// # Panics
    /// It is broken; the text names the rule and says what happened instead.
    pub fn run(&self, subject: &Subject) {
        if let Some(broken) = self.broken_by(subject) {
            panic!("{broken}");
        }
    }

    fn broken_by(&self, subject: &Subject) -> Option<String> {
        let run = || (self.run)(&Fixture::new(subject));
        catch_unwind(AssertUnwindSafe(run)).err().map(|panic| format!("{self}: {}", text_of(&*panic)))
    }
}

/// The rule as a sentence: `clearing: a held job stays`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{}: {}", self.chapter, self.name).replace('_', " "))
    }
}

/// Every rule.
pub fn checks() -> &'static [Check] {
    conformance_checks!([conformance_array])
}

/// Checks every rule that applies to the subject.
///
/// # Panics
/// Some are broken; the text names each.
pub fn check(subject: &Subject) {
    let applying = || checks().iter().filter(|check| check.applies_to(subject));
    let broken: Vec<_> = applying().filter_map(|check| check.broken_by(subject)).collect();
    assert!(
        broken.is_empty(),
        "{} of {} rules are broken:\n{}",
        broken.len(),
        applying().count(),
        broken.join("\n")
    );
}

/// What a test of [`conformance_tests!`](crate::conformance_tests) does.
#[doc(hidden)]
pub fn check_named(chapter: &str, name: &str, subject: &Subject) {
    let check = checks().iter().find(|check| (check.chapter, check.name) == (chapter, name));
    let check = check.expect("the tests are made from the list of checks");
    if check.applies_to(subject) {
        check.run(subject);
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or(panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "it panicked".into())
}
