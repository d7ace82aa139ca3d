//! A take of jobs that are due, in its turn: the ids first, then their holds, then what the rows have.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use ::mysql::Value as ServerValue;

use super::super::adapter::{Survives, Take, transaction};
use super::super::receipts::row_and_token;
use super::super::value::list;
use super::session::HIGHEST;
use super::{BEFORE_ALL, Mysql, read};
use crate::error::Result;
use crate::message::PRIORITY_LIMIT;
use crate::reserved::Reserved;

impl Mysql {
    /// Takes jobs from where the cursor is. `None`: it has no turn, or there is a priority that is none of ours, which a
    /// plain take reads as it lies there.
    pub(super) fn take_in_turn(&mut self, take: &Take<'_>, most: usize) -> Result<Option<Vec<Reserved>>> {
        if !self.turns.are_taken(Instant::now()) || !self.begin_turn()? {
            return Ok(None);
        }
        let held = self.hold_due(take, most);
        self.end_turn();
        held?.map(|ids| self.read_held(&ids, take)).transpose()
    }

    fn begin_turn(&mut self) -> Result<bool> {
        let has_turn = match self.session.rows("take_turn", ()) {
            Ok(rows) => rows.first().and_then(|row| row.number(0)) == Some(1),
            Err(error) if error.is_unavailable() => return Err(error),
            // A cluster may know no such locks.
            Err(_) => false,
        };
        if !has_turn {
            self.turns.missed(Instant::now());
        }
        Ok(has_turn)
    }

    /// On a connection on which it fails, the server does it by itself. The last error stays the last one.
    fn end_turn(&mut self) {
        let statements = self.session.statements.clone();
        let _ = self.session.run_quietly(statements.get("end_turn"));
    }

    /// Holds what is due and nobody has locked, and answers the ids in the order in which they should be begun.
    fn hold_due(&mut self, take: &Take<'_>, most: usize) -> Result<Option<Vec<i64>>> {
        let mut due: Vec<i64> = Vec::new();
        for queue in take.queues {
            let mut below = HIGHEST;
            while due.len() < most {
                let Some(priority) = self.next_priority(queue, below)? else { break };
                if !(0..=i64::from(PRIORITY_LIMIT)).contains(&priority) {
                    return Ok(None);
                }
                let from = self.cursor.get(queue, priority).unwrap_or(BEFORE_ALL);
                let values = (queue, queue.len(), priority, from, &self.passed_over, most - due.len());
                let rows = self.session.select("find_due", values)?;
                if let Some(last) = rows.last().and_then(|row| row.get::<ServerValue, _>(1)) {
                    self.cursor.found(queue, priority, last);
                }
                due.extend(rows.iter().filter_map(|row| row.get::<i64, _>(0)));
                below = priority;
            }
        }
        let has_found = !due.is_empty();
        if has_found {
            transaction(self, Survives::Crash, |mysql| {
                let free: HashSet<i64> =
                    mysql.session.fenced_ids("lock_due", &due, &[])?.into_iter().collect();
                due.retain(|id| free.contains(id));
                mysql.hold_ids(&due, take)
            })?;
        }
        // What others have locked stands in front: a plain take steps over it.
        if has_found && due.is_empty() { Ok(None) } else { Ok(Some(due)) }
    }

    fn read_held(&mut self, ids: &[i64], take: &Take<'_>) -> Result<Vec<Reserved>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.session.select("read_held", (ServerValue::from(&list(ids)), take.token))?;
        let mut jobs = HashMap::with_capacity(rows.len());
        for row in rows {
            // The attempt of this take is counted already.
            let job = read::reserved(row, take, |_| 0)?;
            jobs.insert(row_and_token(job.receipt).0, job);
        }
        Ok(ids.iter().filter_map(|id| jobs.remove(id)).collect())
    }
}
