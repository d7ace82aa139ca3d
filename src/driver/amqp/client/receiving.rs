//! The connection that receives, seen from the driver.
//!
//! A thread owns the channel ([`consuming`](super::consuming)); what is asked of it is waited for with a
//! limit, and then the kill switch frees it. Questions that the broker may answer by closing the channel
//! go through one of their own, `side_channel`, so that no held job is lost over them.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, RecvTimeoutError, Sender};

use super::answers::{count, explain};
use super::consuming::{Consuming, Inbound, Request};
use super::kill_switch::{GOODBYE, KillSwitch};
use super::{AmqpError, Channel, Connection, QueueDeleteOptions, declaring};
use crate::driver::Notifier;
use crate::driver::amqp::client_trait::{Arrival, Inbox, Object};
use crate::driver::amqp::options::AmqpOptions;
use crate::error::{Error, Result};

/// The handle.
pub(super) struct Receiving {
    kill: KillSwitch,
    requests: Option<Sender<Request>>,
    inbound: Arc<Inbound>,
    thread: Option<JoinHandle<()>>,
    side_channel: Option<Channel>,
    connection: Option<Connection>,
    options: Arc<AmqpOptions>,
}

impl Receiving {
    pub(super) fn start(
        options: Arc<AmqpOptions>,
        kill: KillSwitch,
        mut connection: Connection,
        notifier: Notifier,
    ) -> Result<Self> {
        let opened = kill.within(options.answer_timeout, || {
            Ok((connection.open_channel(None)?, connection.open_channel(None)?))
        });
        let (channel, side_channel) = opened.map_err(|error| explain(&options, "open a channel", error))?;
        let inbound = Arc::new(Inbound::default());
        let (requests, asked) = channel::unbounded();
        let consuming =
            Consuming::new(kill.clone(), Arc::clone(&options), Arc::clone(&inbound), notifier, asked);
        let thread = thread::Builder::new()
            .name("craft-queue amqp".into())
            .spawn(move || consuming.run(&channel))
            .map_err(|error| Error::unavailable("cannot start a thread").because(&error))?;
        Ok(Self {
            kill,
            requests: Some(requests),
            inbound,
            thread: Some(thread),
            side_channel: Some(side_channel),
            connection: Some(connection),
            options,
        })
    }

    /// Has the thread do something and waits for the answer.
    fn ask<T>(&mut self, limit: Duration, request: impl FnOnce(Sender<T>) -> Request) -> Result<T> {
        let (reply, answer) = channel::bounded(1);
        self.send(request(reply))?;
        match answer.recv_timeout(limit) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => Err(self.cause()),
            Err(RecvTimeoutError::Timeout) => {
                self.kill.throw();
                Err(Error::unavailable(format!("RabbitMQ at {} does not answer", self.options.place())))
            }
        }
    }

    fn send(&mut self, request: Request) -> Result<()> {
        match self.requests.as_ref().map(|requests| requests.send(request)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.cause()),
        }
    }

    /// Why the connection is lost. The cause is given once, to one of three places that may have asked.
    fn cause(&mut self) -> Error {
        self.kill.throw();
        let told = self.inbound.lock().fault.take();
        if let Some(error) = told {
            return error;
        }
        let closed = self.connection.take().map(Connection::close);
        let error = closed.and_then(|closed| closed.err()).unwrap_or(AmqpError::UnexpectedSocketClose);
        explain(&self.options, "receive", error)
    }

    /// Asks on the side channel, which the broker closes together with a refusal.
    fn ask_aside<T>(
        &mut self,
        question: impl FnOnce(&Channel) -> Result<T, AmqpError>,
    ) -> Result<T, AmqpError> {
        let limit = self.options.answer_timeout;
        let side_channel = match self.side_channel.take() {
            Some(side_channel) => side_channel,
            None => {
                let connection = self.connection.as_mut().ok_or(AmqpError::EventLoopDropped)?;
                self.kill.within(limit, || connection.open_channel(None))?
            }
        };
        let answer = self.kill.within(limit, || question(&side_channel))?;
        self.side_channel = Some(side_channel);
        Ok(answer)
    }

    /// The number that a question about a queue brings; none when there is no such queue.
    fn number(
        &mut self,
        doing: &str,
        question: impl FnOnce(&Channel) -> Result<u32, AmqpError>,
    ) -> Result<u64> {
        match self.ask_aside(question) {
            Ok(number) => Ok(number.into()),
            Err(AmqpError::ServerClosedChannel { code: 404, .. }) => Ok(0),
            Err(error) => Err(explain(&self.options, doing, error)),
        }
    }
}

impl Inbox for Receiving {
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        let options = Arc::clone(&self.options);
        declaring::all(&options, objects, |declare| self.ask_aside(declare))
    }

    fn declare_exactly(&mut self, queue: &Object) -> Result<bool> {
        let options = Arc::clone(&self.options);
        declaring::exactly(&options, queue, |declare| self.ask_aside(declare))
    }

    fn subscribe(&mut self, queue: &Arc<str>, prefetch: u16) -> Result<()> {
        let limit = self.options.answer_timeout;
        let queue = Arc::clone(queue);
        self.ask(limit, |reply| Request::Subscribe { queue, prefetch, reply })
    }

    fn unsubscribe(&mut self, limit: Duration) -> Result<()> {
        self.ask(limit, |reply| Request::Unsubscribe { reply })
    }

    fn check(&mut self) -> Result<()> {
        let ended = self.inbound.lock().ended;
        if ended { Err(self.cause()) } else { Ok(()) }
    }

    fn arrivals(&mut self) -> Result<Vec<Arrival>> {
        let mut inbound = self.inbound.lock();
        if inbound.ended {
            drop(inbound);
            return Err(self.cause());
        }
        Ok(std::mem::take(&mut inbound.arrivals))
    }

    fn unread(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.inbound.lock().arrivals)
    }

    fn get(&mut self, queue: &Arc<str>) -> Result<Option<(Arrival, u64)>> {
        let limit = self.options.answer_timeout;
        let queue = Arc::clone(queue);
        self.ask(limit, |reply| Request::Get { queue, reply })
    }

    fn ack(&mut self, tag: u64, multiple: bool) -> Result<()> {
        self.send(Request::Ack { tag, multiple })
    }

    fn flush(&mut self, limit: Duration) -> Result<()> {
        self.ask(limit, |reply| Request::Flush { reply })
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        self.number("count", |side_channel| count(side_channel, queue))
    }

    fn purge(&mut self, queue: &str) -> Result<u64> {
        self.number("purge", |side_channel| side_channel.queue_purge(queue))
    }

    fn delete(&mut self, queue: &str) -> Result<u64> {
        self.number("delete", |side_channel| side_channel.queue_delete(queue, QueueDeleteOptions::default()))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let parts = (self.side_channel.take(), self.connection.take());
        // Without requests the thread ends.
        self.requests = None;
        let thread = self.thread.take();
        self.kill.within(GOODBYE, || {
            // A panic of it would have been told already.
            let _ = thread.map(JoinHandle::join);
            drop(parts);
        });
    }
}
