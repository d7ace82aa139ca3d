//! Copies that were sent to a broker that takes nothing now.
//!
//! A broker that is short of memory or disk space stops reading from who publishes, and goes on where it stopped. So a
//! copy that it has not answered is neither sent again nor given up: its original stays held until the answer comes.

use super::client_trait::Answers;
use super::publish::Publish;

/// One that was sent and not answered.
pub(super) struct BlockedCopy {
    /// The number of its publish.
    number: u64,
    message_id: Option<String>,
    /// No queue took it; its confirm is still to come.
    came_back: bool,
    /// The tag of the message that it takes the place of.
    pub(super) tag: u64,
}

impl BlockedCopy {
    pub(super) fn of(publish: &Publish<'_>, number: u64, came_back: bool) -> Option<Self> {
        let message_id = publish.envelope.message_id.clone();
        Some(Self { number, message_id, came_back, tag: publish.replaces? })
    }
}

/// Takes those out that are answered, and says the tags of those that have arrived. A return may be read long before
/// the confirm of the same message.
pub(super) fn answered(held_up: &mut Vec<BlockedCopy>, answers: Answers) -> Vec<u64> {
    for id in answers.returned {
        // Of several with one id the last one.
        let is_it = |one: &&mut BlockedCopy| !one.came_back && one.message_id.as_ref() == Some(&id);
        if let Some(one) = held_up.iter_mut().rev().find(is_it) {
            one.came_back = true;
        }
    }
    let mut arrived = Vec::new();
    for confirm in answers.confirms {
        let is_meant = |one: &BlockedCopy| match confirm.multiple {
            true => one.number <= confirm.number,
            false => one.number == confirm.number,
        };
        let meant = held_up.iter().filter(|one| is_meant(one));
        arrived.extend(meant.filter(|one| confirm.ok && !one.came_back).map(|one| one.tag));
        held_up.retain(|one| !is_meant(one));
    }
    arrived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::amqp::client_trait::Confirm;

    fn held_up(number: u64, id: &str) -> BlockedCopy {
        BlockedCopy { number, message_id: Some(id.to_owned()), came_back: false, tag: number * 10 }
    }

    fn answers(returned: &[&str], confirms: &[(u64, bool, bool)]) -> Answers {
        let returned = returned.iter().map(|id| (*id).to_owned()).collect();
        let confirm = |&(number, multiple, ok)| Confirm { number, multiple, ok };
        Answers { returned, confirms: confirms.iter().map(confirm).collect() }
    }

    #[test]
    fn what_came_back_before_its_confirm_has_not_arrived() {
        let mut all = vec![held_up(1, "a"), held_up(2, "b"), held_up(3, "b"), held_up(4, "c")];
        assert_eq!(answered(&mut all, answers(&["b"], &[(1, false, true)])), [10]);
        assert_eq!(answered(&mut all, answers(&[], &[(4, true, true)])), [20, 40]);
        assert!(all.is_empty());
    }

    #[test]
    fn what_is_refused_has_not_arrived_though_all_before_a_later_one_have() {
        let mut all = vec![held_up(1, "a"), held_up(2, "b")];
        assert_eq!(answered(&mut all, answers(&[], &[(1, false, false)])), [] as [u64; 0]);
        assert_eq!(answered(&mut all, answers(&[], &[(2, true, true)])), [20]);
    }
}
