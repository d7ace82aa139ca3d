//! What a broker says when it refuses, as an error for a person.
//!
//! What no second try can change is not "unavailable": the owner of the driver stops and shows it.

use super::options::AmqpOptions;
use crate::error::Error;
use crate::time;

/// The error for a reply code and its text. `doing` says what was tried: `declare queue "orders"`.
pub(super) fn refusal(options: &AmqpOptions, doing: &str, code: u16, text: &str) -> Error {
    let (user, vhost, place) = (&options.username, &options.vhost, options.place());
    let because = |kind: fn(String) -> Error, help: &str| {
        kind(format!("RabbitMQ at {place} refuses to {doing}: {text} ({code})")).with_help(help)
    };
    match code {
        403 => because(Error::config, &refused_access(text, user, vhost)),
        406 if text.contains("acknowledgement") && text.contains("timed out") => Error::unavailable(format!(
            "RabbitMQ at {place} took all jobs back because one was held for longer than its consumer_timeout \
             (ack_timeout in [amqp] says {})",
            time::format_duration(options.ack_timeout)
        ))
        .with_help(
            "give jobs a timeout below it, or raise consumer_timeout in rabbitmq.conf, and ack_timeout with it",
        ),
        // 311 where the broker saw the whole of it.
        311 | 406 if text.contains("message size") => because(
            Error::invalid,
            "give the job less, or a place where it finds the data; or raise max_message_size in rabbitmq.conf",
        ),
        406 => because(Error::config, &precondition(text, vhost)),
        405 => because(Error::config, "another connection has the queue for itself; use another queue"),
        402 | 530 => because(Error::config, &not_allowed(text, user, vhost)),
        501..=503 | 505 | 540 => because(Error::other, "this is a defect of craft-queue: please report it"),
        404 if text.contains("no exchange") => {
            because(Error::config, "declare it where it belongs, or leave exchange in [amqp] empty")
        }
        // 320: closed by the operator or for a restart. 404: a queue or exchange that was there is gone, and
        // a new driver declares it again.
        _ => Error::unavailable(format!("RabbitMQ at {place} ended \"{doing}\": {text} ({code})")),
    }
}

/// The broker hands out nothing more of a queue, and does not say why.
pub(super) fn consumer_ended(options: &AmqpOptions, queue: &str) -> Error {
    Error::unavailable(format!(
        "RabbitMQ at {} hands out no more jobs of queue \"{queue}\": it was deleted, or, in a quorum queue of RabbitMQ \
         4.3, a job was held for longer than its consumer_timeout (ack_timeout in [amqp] says {})",
        options.place(),
        time::format_duration(options.ack_timeout)
    ))
    .with_help("give jobs a timeout below it, or raise consumer_timeout in rabbitmq.conf, and ack_timeout with it")
}

fn refused_access(text: &str, user: &str, vhost: &str) -> String {
    if text.contains("exclusive use") {
        return "another connection has the queue for itself: end that one, or use another queue".into();
    }
    format!("give the user rights: rabbitmqctl set_permissions -p {vhost} {user} \".*\" \".*\" \".*\"")
}

/// What a queue that is there has, or how many there may be.
fn precondition(text: &str, vhost: &str) -> String {
    if text.contains("limit") && !text.contains("inequivalent") {
        return format!(
            "raise the limit (rabbitmqctl set_vhost_limits -p {vhost}), or delete queues that nobody uses"
        );
    }
    match text.split_once("inequivalent arg '").and_then(|(_, rest)| rest.split_once('\'')) {
        Some(("x-queue-type" | "x-max-priority" | "x-delivery-limit" | "x-overflow", _)) | None => {
            "the queue is there already with other arguments: set queue_type and max_priority in [amqp] as it was \
             declared (rabbitmqctl list_queues name type arguments), or delete it when it is empty"
                .into()
        }
        Some((argument, _)) => format!(
            "the queue is there already with another \"{argument}\", which [amqp] has no key for: use another \
             queue, or delete it when it is empty (rabbitmqctl list_queues -p {vhost} name durable auto_delete \
             arguments messages), and it is declared anew"
        ),
    }
}

/// Why the vhost lets nobody in.
fn not_allowed(text: &str, user: &str, vhost: &str) -> String {
    if text.contains("limit") {
        return "close connections that nobody uses, or raise the limit: rabbitmqctl list_vhost_limits, rabbitmqctl \
             list_user_limits; a worker has two connections"
            .into();
    }
    if text.contains("access to vhost") {
        return refused_access(text, user, vhost);
    }
    if text.contains("is down") {
        return format!("start it again: rabbitmqctl restart_vhost -p {vhost}");
    }
    format!("create it: rabbitmqctl add_vhost {vhost}, or correct vhost in [amqp]")
}

/// Why none of the hosts was connected to. An error that no second try can change comes before all others.
pub(super) fn none_answers(mut refusals: Vec<Error>) -> Error {
    let lasting = refusals.iter().position(|refusal| !refusal.is_unavailable());
    if let Some(one) = lasting.or((refusals.len() == 1).then_some(0)) {
        return refusals.swap_remove(one);
    }
    let told: Vec<_> = refusals.iter().map(Error::to_string).collect();
    Error::unavailable(told.join("; ")).with_help("is one of them running, and is it reached from here?")
}

/// What answers at the broker's address is none.
pub(super) fn no_broker(options: &AmqpOptions, fault: &str, before: bool) -> Error {
    let text = format!("cannot talk to RabbitMQ at {}: {fault}", options.place());
    if before {
        return Error::unavailable(text);
    }
    Error::config(text).with_help(
        "check host and port in [amqp]: AMQP without TLS is spoken on 5672, by TLS on 5671 (sslmode = \"verify-full\", \
         or a URL that begins with amqps://), and 15672 is a web page",
    )
}

/// TLS with the broker failed. One that was spoken to before may be going down or coming up.
#[cfg(feature = "rustls")]
pub(super) fn no_tls(
    options: &AmqpOptions,
    cause: &(dyn std::error::Error + 'static),
    before: bool,
) -> Error {
    let server = format!("RabbitMQ at {}", options.place());
    match crate::driver::tls::refusal(&server, cause) {
        Some(refusal) if before => {
            let error = Error::unavailable(refusal.to_string());
            match refusal.help() {
                Some(help) => error.with_help(help.to_owned()),
                None => error,
            }
        }
        Some(refusal) => refusal,
        None => Error::unavailable(format!("lost the connection to {server} while TLS began")).because(cause),
    }
}

/// The broker closed the connection while the user logged in: what it does with a wrong password.
pub(super) fn not_let_in(options: &AmqpOptions, before: bool) -> Error {
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
        let options = AmqpOptions::from_config(&AmqpConfig::default()).unwrap();
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
    fn help_is_for_what_was_refused() {
        let options = AmqpOptions::from_config(&AmqpConfig::default()).unwrap();
        let inequivalent =
            |argument| format!("PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'q'");
        let table = [
            (406, inequivalent("x-max-priority"), "set queue_type and max_priority"),
            (406, inequivalent("x-message-ttl"), "\"x-message-ttl\", which [amqp] has no key for"),
            (406, inequivalent("auto_delete"), "\"auto_delete\""),
            (
                406,
                "cannot declare queue 'q': queue limit in vhost '/' (5) is reached".into(),
                "set_vhost_limits",
            ),
            (
                406,
                "message size 20000000 is larger than configured max size 16777216".into(),
                "max_message_size",
            ),
            (530, "NOT_ALLOWED - vhost gone not found".into(), "add_vhost"),
            (530, "access to vhost '/' refused: connection limit (1) is reached".into(), "raise the limit"),
            (530, "access to vhost '/' refused for user 'u'".into(), "set_permissions"),
            (403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use".into(), "another connection"),
        ];
        for (code, text, help) in table {
            let error = refusal(&options, "declare q", code, &text);
            assert!(error.help().is_some_and(|said| said.contains(help)), "{text}: {:?}", error.help());
        }
    }

    #[test]
    fn of_several_hosts_each_says_why() {
        let away = |host: &str| Error::unavailable(format!("{host} is away"));
        assert_eq!(none_answers(vec![away("a")]).to_string(), "a is away");
        let both = none_answers(vec![away("a"), away("b")]);
        assert!(both.is_unavailable() && both.to_string() == "a is away; b is away", "{both}");
        let refused = none_answers(vec![away("a"), Error::config("b refuses"), away("c")]);
        assert!(refused.is_config() && refused.to_string() == "b refuses", "{refused}");
    }

    #[test]
    fn a_user_who_was_let_in_before_is_tried_again() {
        let options = AmqpOptions::from_config(&AmqpConfig::default()).unwrap();
        assert!(not_let_in(&options, false).is_config());
        assert!(not_let_in(&options, true).is_unavailable());
    }
}
