//! The connection that publishes, seen from the driver.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::answers::{confirm, count, explain};
use super::connect::Opened;
use super::declaring;
use super::frame_checker::FrameFindings;
use super::kill_switch::{GOODBYE, KillSwitch};
use super::properties::properties;
use super::{
    AmqpError, AmqpValue, Channel, Connection, ConnectionBlockedNotification, LibraryConfirm, Publish, Return,
};
use crate::driver::amqp::client_trait::{Address, Answers, Envelope, Object, Outbox, WINDOW_BYTES};
use crate::driver::amqp::options::AmqpOptions;
use crate::error::{Error, Result};

/// The connection that publishes.
pub(super) struct Sending {
    kill: KillSwitch,
    /// `None` only while it is dropped, as is the connection.
    channel: Option<Channel>,
    confirms: Receiver<LibraryConfirm>,
    returns: Receiver<Return>,
    blocked_news: Receiver<ConnectionBlockedNotification>,
    blocked: Option<String>,
    options: Arc<AmqpOptions>,
    findings: Arc<FrameFindings>,
    connection: Option<Connection>,
}

/// In good order, where the broker still answers: the library, cut off, leaks a pipe now and then.
impl Drop for Sending {
    fn drop(&mut self) {
        let parts = (self.channel.take(), self.connection.take());
        self.kill.within(GOODBYE, || drop(parts));
    }
}

impl Sending {
    pub(super) fn start(opened: Opened) -> Result<Self> {
        let Opened { options, kill, mut connection, findings } = opened;
        let opened = kill.within(options.answer_timeout, || {
            let channel = connection.open_channel(None)?;
            let blocked = connection.listen_for_connection_blocked()?;
            let confirms = channel.listen_for_publisher_confirms()?;
            let returns = channel.listen_for_returns()?;
            channel.enable_publisher_confirms()?;
            Ok((channel, blocked, confirms, returns))
        });
        let (channel, blocked_news, confirms, returns) =
            opened.map_err(|error| explain(&options, "open a channel", error))?;
        Ok(Self {
            kill,
            channel: Some(channel),
            confirms,
            returns,
            blocked_news,
            blocked: None,
            options,
            findings,
            connection: Some(connection),
        })
    }

    fn channel(&self) -> Result<&Channel> {
        self.channel.as_ref().ok_or_else(|| Error::unavailable("the connection is closed"))
    }

    /// Asks something on a channel of its own.
    fn aside<T>(&mut self, ask: impl FnOnce(&Channel) -> Result<T, AmqpError>) -> Result<T, AmqpError> {
        let connection = self.connection.as_mut().ok_or(AmqpError::EventLoopDropped)?;
        self.kill.within(self.options.answer_timeout, || {
            let channel = connection.open_channel(None)?;
            ask(&channel)
        })
    }

    /// Why nothing comes any more. The channel still has the cause, for the first call that asks.
    fn lost(&self) -> Result<Error> {
        let channel = self.channel()?;
        let asked = self.kill.within(self.options.answer_timeout, || channel.qos(0, 0, false));
        Ok(explain(&self.options, "publish", asked.err().unwrap_or(AmqpError::EventLoopDropped)))
    }
}

impl Outbox for Sending {
    /// A refusal closes the channel on which it was asked, hence not the one that publishes.
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        let options = Arc::clone(&self.options);
        declaring::all(&options, objects, |declare| self.aside(|channel| declare(channel)))
    }

    fn declare_exactly(&mut self, queue: &Object) -> Result<bool> {
        let options = Arc::clone(&self.options);
        declaring::exactly(&options, queue, |declare| self.aside(|channel| declare(channel)))
    }

    fn declare_unless_away(&mut self, queue: &Object) -> Result<bool> {
        let options = Arc::clone(&self.options);
        declaring::unless_away(&options, queue, |declare| self.aside(|channel| declare(channel)))
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        let counted = self.aside(|channel| count(channel, queue));
        counted.map(u64::from).map_err(|error| explain(&self.options, &format!("count {queue}"), error))
    }

    fn publish(
        &mut self,
        address: &Address,
        envelope: &Envelope,
        body: &[u8],
        limit: Duration,
    ) -> Result<()> {
        let mut publish = Publish::with_properties(
            body,
            &*address.routing_key,
            properties(envelope, self.findings.frame_max()),
        );
        publish.mandatory = true;
        let channel = self.channel()?;
        let send = || channel.basic_publish(&*address.exchange, publish);
        let sent = if body.len() < WINDOW_BYTES { send() } else { self.kill.within(limit, send) };
        sent.map_err(|error| explain(&self.options, "publish", error))
    }

    fn place(&self) -> String {
        self.options.place()
    }

    fn dead_letters_surely(&self) -> bool {
        let properties = self.connection.as_ref().map(Connection::server_properties);
        let told = |key| match properties.and_then(|table| table.get(key)) {
            Some(AmqpValue::LongString(text)) => &**text,
            _ => "",
        };
        let mut numbers = told("version").split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        told("product") == "RabbitMQ" && (numbers.next(), numbers.next()) >= (Some(3), Some(10))
    }

    fn has_queue(&mut self, name: &str) -> Result<bool> {
        match self.aside(|channel| count(channel, name)) {
            Ok(_) => Ok(true),
            // That closes the channel on which it was asked, hence not the one that publishes.
            Err(AmqpError::ServerClosedChannel { code: 404, .. }) => Ok(false),
            Err(error) => Err(explain(&self.options, &format!("look for {name}"), error)),
        }
    }

    fn frame_max(&self) -> usize {
        self.findings.frame_max()
    }

    fn answers(&mut self, limit: Duration) -> Result<Answers> {
        let first = match self.confirms.recv_timeout(limit) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(self.lost()?),
        };
        let confirms = first.into_iter().chain(self.confirms.try_iter()).map(confirm).collect();
        // Read after the confirms: a return comes before the confirm of the same message.
        let returned =
            self.returns.try_iter().filter_map(|back| back.properties.message_id().clone()).collect();
        Ok(Answers { returned, confirms })
    }

    fn blocked(&mut self) -> Option<String> {
        for news in self.blocked_news.try_iter() {
            self.blocked = match news {
                ConnectionBlockedNotification::Blocked(reason) => Some(reason),
                ConnectionBlockedNotification::Unblocked => None,
            };
        }
        self.blocked.clone()
    }
}
