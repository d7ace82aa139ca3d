//! What all answers need: the queue, and how it is shown.

use super::access::Access;
use super::masked_fields::MaskedFields;
use super::snapshot::Snapshots;
use crate::error::{Error, Result};
use crate::queue::Queue;

pub(super) struct Shared {
    pub(super) queue: Queue,
    /// The drivers that are shown; never empty.
    pub(super) drivers: Vec<String>,
    pub(super) access: Access,
    pub(super) mask: MaskedFields,
    pub(super) snapshots: Snapshots,
}

impl Shared {
    /// The driver that a request names, else the first one.
    pub(super) fn driver<'a>(&'a self, name: Option<&str>) -> Result<&'a str> {
        let named = |name: &str| self.drivers.iter().find(|driver| *driver == name);
        match name.map_or(self.drivers.first(), named) {
            Some(driver) => Ok(driver),
            None => Err(Error::not_found(format!("the dashboard shows no driver {:?}", name.unwrap_or("")))
                .with_help(format!("it shows {}", self.drivers.join(", ")))),
        }
    }
}
