//! `[dashboard]`: what the dashboard shows.

use crate::config::schema::{Field, value_types};

/// `[dashboard]`: what the dashboard shows.
#[derive(Clone, Debug, Default)]
pub struct DashboardConfig {
    /// The names of the fields of payloads whose values are not shown; `*` stands for any letters.
    pub mask: Vec<String>,
}

impl DashboardConfig {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { mask } = self;
        vec![Field::new("mask", mask, value_types::MASK_NAMES)]
    }
}
