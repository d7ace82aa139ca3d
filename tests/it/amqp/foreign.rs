//! Messages and queues that others made.

use amiquip::{AmqpProperties, AmqpValue, Channel, Connection, FieldTable, Publish, QueueDeclareOptions};
use craft_queue::conformance::ForeignWriter;
use craft_queue::driver::Verdict;
use craft_queue::driver::amqp::AmqpOptions;

use super::support::*;

pub fn with_channel(options: &AmqpOptions, act: impl FnOnce(&Channel)) {
    let url = format!("amqp://guest:guest@{}:{}/{}", options.host, options.port, options.vhost);
    let mut connection = Connection::insecure_open(&url).unwrap();
    let channel = connection.open_channel(None).unwrap();
    act(&channel);
    channel.close().unwrap();
    connection.close().unwrap();
}

/// Another client of the broker. It knows what the queue is called, and not what a job is.
#[derive(Clone)]
pub struct Client(pub AmqpOptions);

impl ForeignWriter for Client {
    fn add_unreadable(&self, queue: &str) -> usize {
        let bad: FieldTable = [
            ("craft-queue-overrides".to_owned(), AmqpValue::LongLongInt(7)),
            ("x-death".to_owned(), AmqpValue::ByteArray(vec![0xff])),
        ]
        .into();
        let messages = [
            AmqpProperties::default(),
            AmqpProperties::default().with_type_("".into()),
            AmqpProperties::default().with_type_("a\nb".into()).with_app_id("craft-queue/x/y".into()),
            AmqpProperties::default().with_headers(bad).with_priority(255),
            AmqpProperties::default().with_message_id("".into()).with_timestamp(u64::MAX),
        ];
        let count = messages.len();
        with_channel(&self.0, |channel| {
            for properties in messages {
                let message = Publish::with_properties(b"\xff{", queue, properties);
                channel.basic_publish("", message).unwrap();
            }
        });
        count
    }

    fn refuse_changes(&self, _: &str) {
        unreachable!("a broker refuses no single messages");
    }
}

/// As Masonite declares it: durable, no arguments.
fn declare(channel: &Channel, queue: &str) {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue, durable).unwrap();
}

fn publish(options: &AmqpOptions, properties: AmqpProperties, body: &[u8]) {
    with_channel(options, |channel| {
        declare(channel, "orders");
        channel.basic_publish("", Publish::with_properties(body, "orders", properties)).unwrap();
    });
}

#[test]
fn a_name_and_json_are_a_job() {
    let options = fresh();
    let properties = AmqpProperties::default().with_type_("Job".into());
    publish(&options, properties.clone().with_message_id("their-id".into()), b"{\"n\":1}");
    publish(&options, properties, b"{\"n\":2}");
    let mut driver = open(&options);
    let jobs = take(&mut *driver, "orders", 2);
    assert_eq!(payloads(&jobs), ["{\"n\":1}", "{\"n\":2}"]);
    assert_eq!((&*jobs[0].message.name, &*jobs[0].message.uuid), ("Job", "their-id"));
    // The second one got an id of its own, which a retry keeps.
    settle(&mut *driver, &jobs[1], again(std::time::Duration::ZERO, true));
    let retried = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(retried.message.uuid, jobs[1].message.uuid);
}

#[test]
fn any_bytes_pass_through() {
    let options = fresh();
    let bodies: [&[u8]; 4] = [b"", b"\0", b"{\"n\":", b"\xff\xfe"];
    for body in bodies {
        publish(&options, AmqpProperties::default(), body);
    }
    let mut driver = open(&options);
    let jobs = take(&mut *driver, "orders", 4);
    for (job, body) in jobs.iter().zip(bodies) {
        assert_eq!((&*job.message.payload, &*job.message.name), (body, ""));
        settle(&mut *driver, job, Verdict::Done);
    }
}

#[test]
fn foreign_headers_survive_a_retry() {
    let options = fresh();
    let headers: FieldTable = [
        ("trace".to_owned(), AmqpValue::LongLongInt(42)),
        ("x-death".to_owned(), AmqpValue::LongString("old".into())),
    ]
    .into();
    publish(&options, AmqpProperties::default().with_type_("Job".into()).with_headers(headers), b"{}");
    let mut driver = open(&options);
    let job = take(&mut *driver, "orders", 1).remove(0);
    settle(&mut *driver, &job, again(std::time::Duration::ZERO, true));
    drop(driver);
    with_channel(&options, |channel| {
        let got = channel.basic_get("orders", false).unwrap().unwrap();
        let headers = got.delivery.properties.headers().clone().unwrap();
        assert_eq!(headers.get("trace"), Some(&AmqpValue::LongLongInt(42)));
        assert!(!headers.keys().any(|key| key.starts_with("x-")), "{headers:?}");
    });
}

#[test]
fn a_header_that_is_no_text_does_not_make_a_job_forget_its_attempts() {
    let options = fresh();
    let bad: FieldTable = [("bad".to_owned(), AmqpValue::ByteArray(vec![0xff, 0xfe]))].into();
    publish(&options, AmqpProperties::default().with_type_("Job".into()).with_headers(bad), b"{}");
    let mut driver = open(&options);
    for attempt in 1..=3 {
        let job = take(&mut *driver, "orders", 1).remove(0);
        assert_eq!(job.attempt, attempt);
        settle(&mut *driver, &job, again(std::time::Duration::ZERO, true));
    }
}
