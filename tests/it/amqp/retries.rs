//! `queue:retry` of what lies in `<queue>.failed`, whoever put it there.

use amiquip::{AmqpProperties, AmqpValue, FieldTable, Publish};

use super::foreign::with_channel;
use super::support::*;
use crate::programs::{craft, run};
use crate::servers::rabbitmq::RabbitMq;
use crate::support::Folder;

/// A folder, the url of a vhost, and what a command says there.
struct Site {
    folder: Folder,
    url: String,
}

impl Site {
    /// With the queues of failed jobs.
    fn new() -> Self {
        let site = Self { folder: Folder::new(), url: RabbitMq::shared().vhost() };
        site.say(&["queue:push", "Fail", "\"first\""]);
        site.say(&["queue:work", "--attempts", "1", "--stop-when-empty"]);
        site
    }

    fn say(&self, arguments: &[&str]) -> String {
        let mut command = craft(&self.folder, &[arguments, &["--driver", "amqp"]].concat());
        command.env("AMQP_URL", &self.url);
        let said = run(command);
        // 1 says that something stays.
        assert!(
            said.status == 0 || arguments[0] == "queue:retry",
            "{arguments:?}: {} {}",
            said.out,
            said.err
        );
        said.out
    }

    fn publish(&self, messages: impl IntoIterator<Item = (AmqpProperties, Vec<u8>)>) {
        let options = at(&self.url);
        with_channel(&options, |channel| {
            for (properties, body) in messages {
                let publish = Publish::with_properties(&body, "default.failed", properties);
                channel.basic_publish("", publish).unwrap();
            }
        });
    }

    fn lines(&self) -> (u64, u64) {
        let lines: serde_json::Value = serde_json::from_str(&self.say(&["queue:status", "--json"])).unwrap();
        (lines[0]["waiting"].as_u64().unwrap(), lines[0]["failed"].as_u64().unwrap())
    }
}

fn properties(id: u32, name: Option<&str>) -> AmqpProperties {
    let properties = AmqpProperties::default().with_message_id(format!("id-{id}")).with_delivery_mode(2);
    match name {
        Some(name) => properties.with_type_(name.into()),
        None => properties,
    }
}

fn with_overrides(id: u32, overrides: &str) -> AmqpProperties {
    let header = ("craft-queue-overrides".to_owned(), AmqpValue::LongString(overrides.to_owned()));
    properties(id, Some("Echo")).with_headers(FieldTable::from([header]))
}

#[test]
fn one_bad_dead_job_keeps_no_other_from_being_retried() {
    let site = Site::new();
    let good = |id| (properties(id, Some("Echo")), b"1".to_vec());
    let bad = [
        properties(1, None),
        properties(2, Some("a\nb")),
        properties(3, Some("")),
        with_overrides(4, r#"{"unique_key":"k"}"#),
        with_overrides(5, r#"{"priority":5}"#),
        with_overrides(6, "{no json"),
        with_overrides(7, r#"{"attempts":-1,"timeout":"soon"}"#),
        properties(8, Some(&"n".repeat(255))),
    ];
    site.publish((100..110).map(good));
    site.publish(bad.into_iter().map(|properties| (properties, b"1".to_vec())));
    site.publish((110..120).map(good));
    let said = site.say(&["queue:retry"]);
    let (waiting, failed) = site.lines();
    assert_eq!(waiting + failed, 29, "{said}");
    for id in 100..120 {
        assert!(said.contains(&format!("  #id-{id} Echo onto default")), "{id}: {said}");
    }
}

#[test]
fn a_retry_of_all_is_of_all_however_many() {
    let site = Site::new();
    site.publish((0..1_200).map(|id| (properties(id, Some("Echo")), b"1".to_vec())));
    let said = site.say(&["queue:retry"]);
    assert!(said.contains("Added 1201 failed job(s) back to the queue\n"), "{said}");
    assert_eq!(site.lines(), (1_201, 0));
}
