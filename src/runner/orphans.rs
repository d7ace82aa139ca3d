//! The first process of a container is given every orphan in it, and one that was asked to be as much is given
//! those of its own descendants: it has to reap what jobs leave behind, or each stays a zombie for good.

use std::collections::HashSet;
use std::time::Duration;

use super::escaped_processes::{self, Stat};
use super::reaper;
use super::unix::{adopts_orphans, reap};
use crate::error::{Error, Result};

const LOOK: Duration = Duration::from_secs(1);

/// Reaps orphans from now on, if this process is given any. For a program that is a worker: it tells orphans by
/// their groups, since what is started within jobs has one of its own, and leaves children of this very group, which
/// somebody in it waits for.
///
/// # Errors
/// The system gives no more threads.
pub(crate) fn reap_orphans() -> Result<()> {
    let own = std::process::id();
    let (true, Some(Stat { group, .. })) = (adopts_orphans(), escaped_processes::read(own)) else {
        return Ok(());
    };
    let look = move || {
        let mut before = HashSet::new();
        loop {
            std::thread::sleep(LOOK);
            before = look(own, group, &before);
        }
    };
    std::thread::Builder::new()
        .name("craft-reaper".into())
        .spawn(look)
        .map_err(|cause| Error::other("cannot start the thread that reaps orphans").because(&cause))?;
    Ok(())
}

/// Reaps those that were dead at the last look already, as their parents have had time to wait for them. Returns those
/// that are dead now.
fn look(own: u32, group: u32, before: &HashSet<u32>) -> HashSet<u32> {
    let is_orphan = |stat: &Stat| stat.is_dead && stat.parent == own && stat.group != group;
    let all = escaped_processes::all();
    let dead =
        all.iter().filter(|(id, stat)| is_orphan(stat) && !reaper::is_watched(**id)).map(|(id, _)| *id);
    let (old, new): (Vec<_>, Vec<_>) = dead.partition(|id| before.contains(id));
    old.into_iter().for_each(reap);
    new.into_iter().collect()
}
