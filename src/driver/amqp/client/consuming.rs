//! The thread that owns the receiving channel.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::channel::{Receiver, Select, Sender, TryRecvError};

use super::answers::explain;
use super::kill_switch::KillSwitch;
use super::properties::envelope;
use super::{AmqpError, Channel, Consumer, ConsumerMessage, ConsumerOptions, Delivery};
use crate::driver::Notifier;
use crate::driver::amqp::client_trait::Arrival;
use crate::driver::amqp::errors::consumer_ended;
use crate::driver::amqp::options::AmqpOptions;
use crate::error::Error;

/// What came and was not fetched yet.
#[derive(Default)]
pub(super) struct Inbound(Mutex<Came>);

#[derive(Default)]
pub(super) struct Came {
    pub(super) arrivals: Vec<Arrival>,
    /// The thread has ended, and so has the connection.
    pub(super) ended: bool,
    /// Why, when the broker said so.
    pub(super) fault: Option<Error>,
}

impl Inbound {
    pub(super) fn lock(&self) -> MutexGuard<'_, Came> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread is asked to do.
pub(super) enum Request {
    Subscribe { queue: Arc<str>, prefetch: u16, reply: Sender<()> },
    Unsubscribe { reply: Sender<()> },
    Get { queue: Arc<str>, reply: Sender<Option<(Arrival, u64)>> },
    Ack { tag: u64, multiple: bool },
    Flush { reply: Sender<()> },
}

/// Why the thread ends.
enum End {
    /// The handle was dropped.
    Unwanted,
    /// The broker closed the channel or the connection and said why.
    Fault(Error),
    /// The connection is gone without a word.
    Silence,
}

/// How many messages are moved before the thread looks at its requests again.
const AT_ONCE: usize = 256;

/// What the thread needs besides its channel.
pub(super) struct Consuming {
    kill: KillSwitch,
    options: Arc<AmqpOptions>,
    inbound: Arc<Inbound>,
    notifier: Notifier,
    requests: Receiver<Request>,
    /// What acknowledges: the client library wants the delivery itself. The bodies are taken out of these.
    unacked: BTreeMap<u64, Delivery>,
}

impl Consuming {
    pub(super) fn new(
        kill: KillSwitch,
        options: Arc<AmqpOptions>,
        inbound: Arc<Inbound>,
        notifier: Notifier,
        requests: Receiver<Request>,
    ) -> Self {
        Self { kill, options, inbound, notifier, requests, unacked: BTreeMap::new() }
    }

    /// Works until the connection is lost or nobody wants it any more.
    pub(super) fn run(mut self, channel: &Channel) {
        let mut consumers = Vec::new();
        let end = loop {
            if let Err(end) = self.step(channel, &mut consumers) {
                break end;
            }
        };
        let unwanted = matches!(end, End::Unwanted);
        match end {
            End::Unwanted => consumers.drain(..).for_each(|(queue, consumer)| {
                // When that fails, the connection is gone anyway.
                let _ = self.cancel(&queue, &consumer);
            }),
            // Before the consumers are dropped, which asks the broker.
            End::Fault(_) | End::Silence => self.kill.throw(),
        }
        let mut came = self.inbound.lock();
        came.ended = true;
        if let End::Fault(error) = end {
            came.fault = Some(error);
        }
        drop(came);
        // The worker may be busy with all that it can run, and listens to no other ring then.
        if !unwanted {
            self.notifier.ring_gone();
        }
    }

    fn step<'c>(
        &mut self,
        channel: &'c Channel,
        consumers: &mut Vec<(Arc<str>, Consumer<'c>)>,
    ) -> Result<(), End> {
        let mut select = Select::new();
        select.recv(&self.requests);
        for (_, consumer) in &*consumers {
            select.recv(consumer.receiver());
        }
        match select.ready() {
            0 => loop {
                match self.requests.try_recv() {
                    Ok(request) => self.answer(channel, consumers, request)?,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => return Err(End::Unwanted),
                }
            },
            ready => {
                let (queue, consumer) = &consumers[ready - 1];
                let receiver = consumer.receiver();
                self.receive(queue, AT_ONCE, || receiver.try_recv())
            }
        }
    }

    fn answer<'c>(
        &mut self,
        channel: &'c Channel,
        consumers: &mut Vec<(Arc<str>, Consumer<'c>)>,
        request: Request,
    ) -> Result<(), End> {
        // Who asked may have lost patience: a reply that nobody hears is no fault.
        match request {
            Request::Subscribe { queue, prefetch, reply } => {
                let subscribed = channel
                    .qos(0, prefetch, false)
                    .and_then(|()| channel.basic_consume(&*queue, ConsumerOptions::default()));
                let consumer = subscribed.map_err(|error| self.fault("consume", error))?;
                let old = consumers.iter().position(|(name, _)| *name == queue);
                if let Some((name, consumer)) = old.map(|old| consumers.swap_remove(old)) {
                    self.cancel(&name, &consumer)?;
                }
                consumers.push((queue, consumer));
                let _ = reply.send(());
            }
            Request::Unsubscribe { reply } => {
                for (queue, consumer) in consumers.drain(..) {
                    self.cancel(&queue, &consumer)?;
                }
                let _ = reply.send(());
            }
            Request::Get { queue, reply } => {
                let got = channel.basic_get(&*queue, false).map_err(|error| self.fault("get", error))?;
                let _ =
                    reply.send(got.map(|got| (self.unpack(&queue, got.delivery), got.message_count.into())));
            }
            Request::Ack { tag, multiple } => {
                let unacked_delivery = self.unacked.remove(&tag);
                if multiple {
                    self.unacked = self.unacked.split_off(&tag);
                }
                match unacked_delivery {
                    Some(unacked_delivery) if multiple => unacked_delivery.ack_multiple(channel),
                    Some(unacked_delivery) => unacked_delivery.ack(channel),
                    None => Ok(()),
                }
                .map_err(|error| self.fault("acknowledge", error))?;
            }
            Request::Flush { reply } => {
                channel.qos(0, 0, false).map_err(|error| self.fault("acknowledge", error))?;
                for (queue, consumer) in &*consumers {
                    let receiver = consumer.receiver();
                    self.receive(queue, usize::MAX, || receiver.try_recv())?;
                }
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    /// Ends a consumer and takes what it still has, up to the word that it has ended: dropped before that,
    /// the library could not deliver the word, and would end the connection.
    fn cancel(&mut self, queue: &Arc<str>, consumer: &Consumer<'_>) -> Result<(), End> {
        consumer.cancel().map_err(|error| self.fault("stop receiving", error))?;
        let receiver = consumer.receiver();
        self.receive(queue, usize::MAX, || receiver.recv().map_err(|_| TryRecvError::Disconnected))
    }

    /// Moves what a consumer has into the buffer.
    fn receive(
        &mut self,
        queue: &Arc<str>,
        at_most: usize,
        next: impl Fn() -> Result<ConsumerMessage, TryRecvError>,
    ) -> Result<(), End> {
        let mut arrivals = Vec::new();
        let mut end = None;
        while arrivals.len() < at_most && end.is_none() {
            match next() {
                Ok(ConsumerMessage::Delivery(delivery)) => arrivals.push(self.unpack(queue, delivery)),
                Ok(ConsumerMessage::ClientCancelled) | Err(TryRecvError::Empty) => break,
                Ok(ConsumerMessage::ServerCancelled) => {
                    end = Some(End::Fault(consumer_ended(&self.options, queue)));
                }
                Ok(
                    ConsumerMessage::ServerClosedChannel(error)
                    | ConsumerMessage::ServerClosedConnection(error),
                ) => end = Some(self.fault("receive", error)),
                Ok(ConsumerMessage::ClientClosedChannel | ConsumerMessage::ClientClosedConnection)
                | Err(TryRecvError::Disconnected) => end = Some(End::Silence),
            }
        }
        if !arrivals.is_empty() {
            self.inbound.lock().arrivals.append(&mut arrivals);
            self.notifier.notify();
        }
        end.map_or(Ok(()), Err)
    }

    fn unpack(&mut self, queue: &Arc<str>, mut delivery: Delivery) -> Arrival {
        let tag = delivery.delivery_tag();
        let arrival = Arrival {
            tag,
            queue: Arc::clone(queue),
            redelivered: delivery.redelivered,
            routing_key: mem::take(&mut delivery.routing_key),
            envelope: envelope(&mem::take(&mut delivery.properties)),
            body: mem::take(&mut delivery.body),
        };
        self.unacked.insert(tag, delivery);
        arrival
    }

    fn fault(&self, doing: &str, error: AmqpError) -> End {
        match error {
            AmqpError::EventLoopDropped => End::Silence,
            error => End::Fault(explain(&self.options, doing, error)),
        }
    }
}
