//! Processes that a job started and that have left its group: shells with job control, `setsid`, daemons in
//! the making. A signal to the group misses them, so they are found by their parents.

use std::collections::HashMap;
use std::time::Duration;

use super::unix::{Ask, adopts_orphans, ask_process, reap, reap_group};

const MOST_LOOKS: u32 = 50;

/// Processes, each known by when it was started: a number alone may be another's by now.
#[derive(Default)]
pub(super) struct Escaped(Vec<Process>);

#[derive(Clone, Copy)]
struct Process {
    id: u32,
    started: u64,
}

/// One line of /proc.
pub(super) struct Stat {
    /// It has ended, and nobody has waited for it. Only the binary reaps what is not its own.
    #[cfg_attr(not(feature = "cli"), expect(dead_code))]
    pub(super) is_dead: bool,
    pub(super) parent: u32,
    pub(super) group: u32,
    started: u64,
}

impl Escaped {
    /// Looks for those that are there now, and asks them all, those too that were found before. To be done before
    /// their parents are asked: an orphan has nothing that leads to it.
    pub(super) fn ask(&mut self, leader: u32, what: Ask) {
        self.find(leader);
        for process in &self.0 {
            let is_it = || read(process.id).is_some_and(|stat| stat.started == process.started);
            ask_process(process.id, what, is_it);
        }
    }

    /// Asks those that were found before, and what they have started since.
    pub(super) fn ask_known(&mut self, what: Ask) {
        if !self.0.is_empty() {
            self.ask(0, what);
        }
    }

    fn find(&mut self, leader: u32) {
        let all = all();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (id, stat) in &all {
            children.entry(stat.parent).or_default().push(*id);
        }
        let known = self
            .0
            .iter()
            .filter(|known| all.get(&known.id).is_some_and(|stat| stat.started == known.started));
        let mut next: Vec<u32> = known.map(|known| known.id).chain((leader > 1).then_some(leader)).collect();
        let mut found = std::mem::take(&mut self.0);
        while let Some(id) = next.pop() {
            // Each process has one parent, so none comes twice; but a number may be used anew meanwhile.
            for child in children.remove(&id).into_iter().flatten() {
                next.push(child);
                let stat = &all[&child];
                if stat.group != leader && !found.iter().any(|process| process.id == child) {
                    found.push(Process { id: child, started: stat.started });
                }
            }
        }
        self.0 = found;
    }
}

/// Where this process adopts orphans, it has to reap what a job left behind and what was killed with it: they end
/// within a moment, and one that does not is left to a later look.
pub(super) fn reap_what_it_left(leader: u32, escaped: &Escaped) {
    for _ in 0..MOST_LOOKS {
        if !reap_group(leader) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    if adopts_orphans() {
        escaped.0.iter().for_each(|process| reap(process.id));
    }
}

/// Every process that there is.
pub(super) fn all() -> HashMap<u32, Stat> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, read(id)?))).collect()
}

/// `None` where there is no such process, or no /proc.
pub(super) fn read(id: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Stat> {
    // The name before this may hold anything, also spaces and brackets.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let id = |at| u32::try_from(number(at)?).ok();
    let is_dead = matches!(fields.first(), Some(&"Z"));
    Some(Stat { is_dead, parent: id(1)?, group: id(2)?, started: number(19)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name_says() {
        let line = "7 (a) b) S 5 6 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11\n";
        let Some(Stat { is_dead: false, parent: 5, group: 6, started: 987_654 }) = parse(line) else {
            panic!("{line}")
        };
        assert!(parse("").is_none() && parse("7 (a) S 5").is_none());
    }
}
