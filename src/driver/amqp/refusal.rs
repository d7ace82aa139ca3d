//! What a broker says when it refuses, as an error for a person.
//!
//! What no second try can change is not "unavailable": whoever holds the driver stops and shows it.

use super::options::Options;
use crate::error::Error;
use crate::time;

/// The error for a reply code and its text. `doing` says what was tried: `declare queue "orders"`.
pub(super) fn refusal(options: &Options, doing: &str, code: u16, text: &str) -> Error {
    let (user, vhost, place) = (&options.username, &options.vhost, options.place());
    let because = |kind: fn(String) -> Error, help: &str| {
        kind(format!("RabbitMQ at {place} refuses to {doing}: {text} ({code})")).with_help(help)
    };
    match code {
        403 => because(
            Error::config,
            &format!(
                "give the user rights: rabbitmqctl set_permissions -p {vhost} {user} \".*\" \".*\" \".*\""
            ),
        ),
        406 if text.contains("acknowledgement") && text.contains("timed out") => Error::unavailable(format!(
            "RabbitMQ at {place} took all jobs back because one was held for longer than its consumer_timeout \
             (ack_timeout in [amqp] says {})",
            time::humane(options.ack_timeout)
        ))
        .with_help(
            "give jobs a timeout below it, or raise consumer_timeout in rabbitmq.conf, and ack_timeout with it",
        ),
        406 => because(
            Error::config,
            "the queue is there already with other arguments: set queue_type and max_priority in [amqp] as it was \
             declared (rabbitmqctl list_queues name type arguments), or delete it when it is empty",
        ),
        405 => because(Error::config, "another connection has the queue for itself; use another queue"),
        // The text of a missing vhost is "vhost x not found".
        402 | 530 => because(
            Error::config,
            &format!("create it: rabbitmqctl add_vhost {vhost}, or correct vhost in [amqp]"),
        ),
        501..=503 | 505 | 540 => because(Error::other, "this is a defect of craft-queue: please report it"),
        404 if text.contains("no exchange") => {
            because(Error::config, "declare it where it belongs, or leave exchange in [amqp] empty")
        }
        // 320: closed by the operator or for a restart. 404: a queue or exchange that was there is gone, and
        // a new driver declares it again.
        _ => Error::unavailable(format!("RabbitMQ at {place} ended \"{doing}\": {text} ({code})")),
    }
}

/// The broker closed the connection while the user logged in: what it does with a wrong password.
pub(super) fn not_let_in(options: &Options, before: bool) -> Error {
    let text = format!("RabbitMQ at {} did not let user \"{}\" in", options.place(), options.username);
    if before {
        // It let this user in before: more likely the broker is going down or coming up.
        return Error::unavailable(text);
    }
    Error::config(text).with_help(
        "check username and password in [amqp] (rabbitmqctl authenticate_user); the user guest may come in only \
         from the broker's own machine",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AmqpConfig;

    #[test]
    fn what_no_second_try_can_change_is_not_called_unavailable() {
        let options = Options::from_config(&AmqpConfig::default()).unwrap();
        let timeout = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out.";
        let table = [
            (320, "CONNECTION_FORCED - broker forced", true),
            (404, "NOT_FOUND - no queue 'q'", true),
            (541, "INTERNAL_ERROR", true),
            (406, timeout, true),
            (406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'", false),
            (403, "ACCESS_REFUSED", false),
            (530, "NOT_ALLOWED - vhost gone not found", false),
        ];
        for (code, text, unavailable) in table {
            let error = refusal(&options, "declare queue \"q\"", code, text);
            assert_eq!(error.is_unavailable(), unavailable, "{code}: {error}");
            assert!(error.is_unavailable() || error.help().is_some(), "{code}: {error}");
        }
        let error = refusal(&options, "consume", 406, timeout);
        assert!(error.to_string().contains("ack_timeout in [amqp] says 30m"), "{error}");
        assert!(error.help().is_some_and(|help| help.contains("consumer_timeout")));
    }

    #[test]
    fn a_user_who_was_let_in_before_is_tried_again() {
        let options = Options::from_config(&AmqpConfig::default()).unwrap();
        assert!(not_let_in(&options, false).is_config());
        assert!(not_let_in(&options, true).is_unavailable());
    }
}
