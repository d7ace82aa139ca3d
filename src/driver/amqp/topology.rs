//! Which queues belong to a work queue, and how they are declared.
//!
//! | queue | for |
//! |---|---|
//! | `Q` | the jobs; durable and without arguments but its type, so that one that Masonite or another producer declared already works |
//! | `Q.suspects` | jobs that a worker went away with; fetched one by one, never ahead, so that a death is charged to the job that runs |
//! | `Q.failed` | dead jobs, when no database keeps them |
//! | [`FAILED_QUEUES`] | one for all: the names of the queues that have dead jobs |
//!
//! An argument more on a queue that is there already is refused by the broker, so only what was asked for
//! in the configuration is given, and the type of each: what a vhost takes by default may be a quorum queue that
//! drops what was handed out 20 times. A queue that is there with a type by default is taken as it is.

use std::collections::HashSet;

use super::client_trait::{Argument, Object, classic_type, quorum_type};
use super::delay_queues;
use super::digest::digest;
use super::options::AmqpOptions;
use crate::error::{Error, Result};
use crate::message::NAME_LIMIT;

/// The queues that have dead jobs, a message with the name for each: a broker lists no queues.
pub(super) const FAILED_QUEUES: &str = "craft-queue.failed-queues";

/// How often a quorum queue hands a job out again before it goes to `Q.failed` by itself. A backstop: a
/// worker moves a job that came again to `Q.suspects`, which counts.
const DELIVERY_LIMIT: i64 = 50;

/// How often failed jobs may be handed out, which is what each look at them does. RabbitMQ 4 drops after 20 what
/// has no limit of its own; 3.10 takes no limit of -1.
const LOOKED_AT_LIMIT: i64 = 1_000_000_000;

/// Where suspects of a queue wait.
pub(super) fn suspects_of(queue: &str) -> String {
    beside(queue, ".suspects")
}

/// The queues that keep the failed jobs of a queue.
pub(super) fn failed_of(queue: &str) -> String {
    beside(queue, ".failed")
}

/// Refuses the names of queues that belong to others, or that the broker keeps for itself: a job pushed there
/// would never run as what it is.
///
/// # Errors
/// It is such a name.
pub(super) fn check_is_not_ours(queue: &str) -> Result<()> {
    let shown = || queue.escape_debug();
    if queue.starts_with("amq.") {
        return Err(Error::invalid(format!(
            "queue \"{}\": RabbitMQ keeps names that begin with amq. for itself",
            shown()
        ))
        .with_help("choose another name for the queue"));
    }
    let endings = [".suspects", ".failed", ".failed.quorum", ".failed.classic"];
    let of = endings.iter().find_map(|ending| Some((queue.strip_suffix(ending)?, ending)));
    let what = match of {
        Some((of, ending)) if !of.is_empty() => {
            let what =
                if *ending == ".suspects" { "jobs that a worker went away with" } else { "failed jobs" };
            format!("it is where {what} of queue \"{}\" are kept", of.escape_debug())
        }
        _ if queue.starts_with("craft-queue.") => {
            "it is one of the queues that make delays possible".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("queue \"{}\" can't be used: {what}", shown()))
        .with_help("name the queue of the jobs, or choose another name"))
}

/// A name with a suffix. Where that is too long for AMQP the name is cut, and its digest keeps it apart
/// from other long ones.
fn beside(queue: &str, suffix: &str) -> String {
    if queue.len() + suffix.len() <= NAME_LIMIT {
        return format!("{queue}{suffix}");
    }
    let digest = digest(queue);
    let room = NAME_LIMIT - suffix.len() - digest.len() - 1;
    let cut = (0..=room).rev().find(|at| queue.is_char_boundary(*at)).unwrap_or(0);
    format!("{}~{digest}{suffix}", &queue[..cut])
}

/// What must exist before a job can wait in a queue.
pub(super) fn work(options: &AmqpOptions, queue: &str) -> Vec<Object> {
    let suspects = suspects_of(queue);
    let arguments = work_arguments(options, queue);
    let mut objects = vec![
        Object::Queue { name: queue.into(), arguments: arguments.clone() },
        Object::Queue { name: suspects.clone(), arguments },
    ];
    objects.extend(delay_queues::ends(options.quorum));
    objects.extend([delay_queues::end(queue), delay_queues::end(&suspects)]);
    if !options.exchange.is_empty() {
        objects.push(Object::QueueBinding {
            queue: queue.into(),
            exchange: options.exchange.clone(),
            key: queue.into(),
        });
    }
    objects
}

/// Where failed jobs, or the names of the queues that have some, are kept: in a queue that looks do not wear out.
/// One of that name that an earlier version declared may do so, or the vhost's default type may have changed. Then
/// another queue beside it is used, and each look moves what is in the first one there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keeping {
    /// The queue to publish to.
    pub(super) queue: String,
    /// Another queue that may have some.
    pub(super) others: Vec<String>,
}

impl Keeping {
    /// The failed jobs of a queue. `declare` says no where a queue of that name has other arguments.
    pub(super) fn failed_jobs(
        options: &AmqpOptions,
        queue: &str,
        declare: impl FnMut(&Object) -> Result<bool>,
    ) -> Result<Self> {
        Self::choose(options, |ending| beside(queue, &format!(".failed{ending}")), declare)
    }

    /// The names of the queues that have failed jobs.
    pub(super) fn queue_names(
        options: &AmqpOptions,
        declare: impl FnMut(&Object) -> Result<bool>,
    ) -> Result<Self> {
        Self::choose(options, |ending| format!("{FAILED_QUEUES}{ending}"), declare)
    }

    fn choose(
        options: &AmqpOptions,
        name: impl Fn(&str) -> String,
        mut declare: impl FnMut(&Object) -> Result<bool>,
    ) -> Result<Self> {
        let (own, arguments) = match options.quorum {
            true => (".quorum", vec![quorum_type(), ("x-delivery-limit", Argument::Number(LOOKED_AT_LIMIT))]),
            false => (".classic", vec![classic_type()]),
        };
        let first = Object::Queue { name: name(""), arguments: arguments.clone() };
        let queue = if declare(&first)? { name("") } else { name(own) };
        if queue != name("") {
            declare(&Object::Queue { name: queue.clone(), arguments })?;
        }
        let others =
            ["", ".quorum", ".classic"].map(name).into_iter().filter(|other| *other != queue).collect();
        Ok(Self { queue, others })
    }
}

/// All queues that belong to a queue, and itself.
pub(super) fn all_of(queue: &str) -> HashSet<String> {
    let endings = [".suspects", ".failed", ".failed.quorum", ".failed.classic"];
    let beside = endings.iter().map(|ending| beside(queue, ending));
    beside.chain([queue.to_owned()]).collect()
}

fn work_arguments(options: &AmqpOptions, queue: &str) -> Vec<(&'static str, Argument)> {
    let mut arguments = Vec::new();
    if !options.quorum {
        arguments.push(classic_type());
    } else {
        // Without a dead letter exchange the broker drops a job at the limit.
        arguments.extend([
            quorum_type(),
            ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
            ("x-dead-letter-exchange", Argument::Text(String::new())),
            ("x-dead-letter-routing-key", Argument::Text(failed_of(queue))),
            ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
            ("x-overflow", Argument::Text("reject-publish".into())),
        ]);
    }
    if let Some(max) = options.max_priority {
        arguments.push(("x-max-priority", Argument::Number(max.into())));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(failed_of("orders"), "orders.failed");
        let long = |last: char| format!("{}{last}", "é".repeat(127));
        let (one, other) = (suspects_of(&long('a')), suspects_of(&long('b')));
        assert!(one.len() <= NAME_LIMIT && one.ends_with(".suspects"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn failed_jobs_lie_where_looks_do_not_wear_them_out() {
        let options = AmqpOptions::from_config(&crate::config::AmqpConfig::default()).unwrap();
        let quorum = AmqpOptions { quorum: true, ..options.clone() };
        let choose = |options, taken: &[&str]| {
            let mut declared = Vec::new();
            let keeping = Keeping::failed_jobs(options, "q", |object| {
                let Object::Queue { name, arguments } = object else { panic!("{object:?}") };
                let limit = arguments.iter().any(|(key, _)| *key == "x-delivery-limit");
                assert_eq!(limit, options.quorum, "{object:?}");
                declared.push(name.clone());
                Ok(!taken.contains(&&**name))
            });
            (keeping.unwrap(), declared)
        };
        let (keeping, declared) = choose(&options, &[]);
        assert_eq!((&*keeping.queue, &*declared), ("q.failed", &["q.failed".to_owned()][..]));
        assert_eq!(keeping.others, ["q.failed.quorum", "q.failed.classic"]);
        let (keeping, declared) = choose(&quorum, &["q.failed"]);
        assert_eq!((&*keeping.queue, declared.len()), ("q.failed.quorum", 2));
        assert_eq!(keeping.others, ["q.failed", "q.failed.classic"]);
        assert!(keeping.others.iter().all(|other| all_of("q").contains(other)));
    }

    #[test]
    fn the_names_of_queues_beside_others_are_not_for_jobs() {
        for name in ["x.failed", "x.suspects", "x.failed.quorum", "craft-queue.starts", "amq.gen"] {
            let error = check_is_not_ours(name).unwrap_err();
            assert!(error.is_invalid() && error.to_string().contains(name), "{error}");
        }
        for name in ["x", "failed", ".failed", "failed.x", "craft-queue"] {
            assert!(check_is_not_ours(name).is_ok(), "{name}");
        }
    }
}
