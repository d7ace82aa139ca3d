//! Opens the two connections of a driver.

use super::connect::{Hosts, Opened};
use super::receiving::Receiving;
use super::sending::Sending;
use crate::driver::Notifier;
use crate::driver::amqp::client_trait::{Client, Inbox, Outbox};
use crate::driver::amqp::options::AmqpOptions;
use crate::error::Result;

/// Opens connections with the library.
pub(in super::super) struct Opener(Hosts);

impl Opener {
    pub(in super::super) fn new(options: &AmqpOptions) -> Self {
        Self(Hosts::new(options))
    }
}

impl Client for Opener {
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Ok(Box::new(Sending::start(self.0.connect()?)?))
    }

    fn inbox(&self, notifier: Notifier) -> Result<Box<dyn Inbox>> {
        let Opened { options, kill, connection, .. } = self.0.connect()?;
        Ok(Box::new(Receiving::start(options, kill, connection, notifier)?))
    }

    fn lost(&self, place: &str) {
        self.0.pass_over(place);
    }
}
