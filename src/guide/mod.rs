//! The guide: one page a topic, in the order in which a program meets them.
//!
//! The pages are the same whatever features are on; where something needs a feature, the page says so.

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("jobs.md")]
pub mod jobs {}

#[doc = include_str!("pushing.md")]
pub mod pushing {}

#[doc = include_str!("workers.md")]
pub mod workers {}

#[doc = include_str!("failed_jobs.md")]
pub mod failed_jobs {}

#[doc = include_str!("drivers.md")]
pub mod drivers {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("program_jobs.md")]
pub mod program_jobs {}

#[doc = include_str!("observing.md")]
pub mod observing {}

#[cfg_attr(feature = "dashboard", doc = include_str!("dashboard.md"))]
#[cfg_attr(not(feature = "dashboard"), doc = "The dashboard needs the feature `dashboard`.")]
pub mod dashboard {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("writing_a_driver.md")]
pub mod writing_a_driver {}

#[doc = include_str!("pushing_with_sql.md")]
pub mod pushing_with_sql {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}
