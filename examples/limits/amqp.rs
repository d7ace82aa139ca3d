//! RabbitMQ: TCP_NODELAY, persistent messages, confirms, acks that are merged. A message has the properties
//! that a job needs: which one it is, its name, what its body is.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, Auth, Channel, Confirm, ConfirmSmoother, Connection, ConnectionOptions, ConnectionTuning,
    ConsumerMessage, ConsumerOptions, Publish, Queue, QueueDeclareOptions, QueueDeleteOptions,
};

use crate::{A_CALL, A_TAKE, Figure, PAYLOAD, Result};

const BACKEND: &str = "amqp";
const QUEUE: &str = "craft_limits";

/// The longest wait for a confirm.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(url: &str) -> Result<()> {
    let mut connection = connect(url)?;
    let channel = connection.open_channel(None)?;
    declare(&channel)?.purge()?;
    let mut confirmed = Confirmed::on(&channel)?;
    push(&mut confirmed, ("push", 1, 3_000), 1)?;
    declare(&channel)?.purge()?;
    // Sixteen threads that each wait for their own confirm have so many on their way.
    push(&mut confirmed, ("push", 16, 50_000), 16)?;
    declare(&channel)?.purge()?;
    push(&mut confirmed, ("push_many", 1, 50_000), A_CALL)?;
    drain(&mut connection, 50_000)?;
    channel.queue_delete(QUEUE, QueueDeleteOptions::default())?;
    connection.close()?;
    Ok(())
}

/// `amqp://user:password@host:port/vhost`, without anything that needs unescaping.
fn connect(url: &str) -> Result<Connection> {
    let odd = || format!("cannot read AMQP_URL \"{url}\": it must be amqp://user:password@host:port/vhost");
    let (login, place) = url.strip_prefix("amqp://").and_then(|rest| rest.split_once('@')).ok_or_else(odd)?;
    let (username, password) = login.split_once(':').ok_or_else(odd)?;
    let (place, vhost) = place.split_once('/').unwrap_or((place, ""));
    let auth = Auth::Plain { username: username.into(), password: password.into() };
    let vhost = if vhost.is_empty() { "/".to_owned() } else { vhost.replace("%2f", "/").replace("%2F", "/") };
    let options = ConnectionOptions::default().auth(auth).virtual_host(vhost);
    let socket = TcpStream::connect(place.to_socket_addrs()?.next().ok_or_else(odd)?)?;
    socket.set_nodelay(true)?;
    let socket = mio::net::TcpStream::from_stream(socket)?;
    Ok(Connection::insecure_open_stream(socket, options, ConnectionTuning::default())?)
}

fn declare(channel: &Channel) -> Result<Queue<'_>> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(QUEUE, options)?)
}

/// A channel whose publishes are confirmed.
struct Confirmed<'a> {
    channel: &'a Channel,
    confirms: crossbeam::channel::Receiver<Confirm>,
    /// Puts confirms in order, and takes merged ones apart.
    smoother: ConfirmSmoother,
    published: u64,
    confirmed: u64,
}

impl<'a> Confirmed<'a> {
    fn on(channel: &'a Channel) -> Result<Self> {
        channel.enable_publisher_confirms()?;
        let confirms = channel.listen_for_publisher_confirms()?;
        Ok(Self { channel, confirms, smoother: ConfirmSmoother::new(), published: 0, confirmed: 0 })
    }

    fn publish(&mut self) -> Result<()> {
        let properties = AmqpProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(format!("{:032x}", self.published))
            .with_type_("Nothing".into());
        self.channel.basic_publish("", Publish::with_properties(PAYLOAD.as_bytes(), QUEUE, properties))?;
        self.published += 1;
        Ok(())
    }

    /// Waits until at most so many are not confirmed.
    fn wait_for_all_but(&mut self, most: u64) -> Result<()> {
        while self.published - self.confirmed > most {
            let confirm = self.confirms.recv_timeout(PATIENCE)?;
            for confirm in self.smoother.process(confirm) {
                match confirm {
                    Confirm::Ack(_) => self.confirmed += 1,
                    Confirm::Nack(_) => return Err("the broker refused a message".into()),
                }
            }
        }
        Ok(())
    }
}

fn push(
    confirmed: &mut Confirmed<'_>,
    (workload, threads, jobs): (&str, usize, usize),
    window: usize,
) -> Result<()> {
    let start = Instant::now();
    for _ in 0..jobs {
        confirmed.publish()?;
        confirmed.wait_for_all_but(window as u64 - 1)?;
    }
    confirmed.wait_for_all_but(0)?;
    Figure { backend: BACKEND, workload, threads, jobs, start }.tell();
    Ok(())
}

/// With the messages that are there; half of what is handed out ahead is acked at once.
fn drain(connection: &mut Connection, jobs: usize) -> Result<()> {
    let channel = connection.open_channel(None)?;
    channel.qos(0, u16::try_from(A_TAKE)?, false)?;
    let queue = declare(&channel)?;
    let start = Instant::now();
    let consumer = queue.consume(ConsumerOptions::default())?;
    let mut got = 0;
    for message in consumer.receiver() {
        let ConsumerMessage::Delivery(delivery) = message else {
            return Err(format!("the consumer ended: {message:?}").into());
        };
        got += 1;
        if got % (A_TAKE / 2) == 0 || got == jobs {
            consumer.ack_multiple(delivery)?;
        }
        if got == jobs {
            break;
        }
    }
    consumer.cancel()?;
    Figure { backend: BACKEND, workload: "drain", threads: 1, jobs, start }.tell();
    Ok(())
}
