//! Counts that stop at a bound. A statement serves one queue: MariaDB lets no subquery count up to a bound for
//! a row that stands outside of it.

use super::Mysql;
use super::session::HIGHEST;
use crate::driver::Size;
use crate::driver::database::value::millis;
use crate::error::Result;

impl Mysql {
    pub(super) fn sizes_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        let all = match queues {
            [] => self.all_queues(most)?,
            named => named.to_vec(),
        };
        all.into_iter().map(|queue| self.size_of(queue, most)).collect()
    }

    fn all_queues(&mut self, most: u64) -> Result<Vec<String>> {
        let mut queues: Vec<String> = Vec::new();
        loop {
            let last = queues.last().map_or("", String::as_str);
            let next = self.session.rows("list_queues", (last, most))?;
            if next.is_empty() {
                return Ok(queues);
            }
            queues.extend(next.iter().map(|row| row.text(0)));
        }
    }

    fn size_of(&mut self, queue: String, most: u64) -> Result<Size> {
        let name = queue.as_str();
        let length = name.len();
        let values = (name, length, most, name, length, most, name, length, most);
        let rows = self.session.rows("size_up_to", values)?;
        let count = |column| rows.first().map(|row| row.count(column));
        let mut oldest: Option<i64> = None;
        let mut below = HIGHEST;
        while let Some(priority) = self.next_priority(name, below)? {
            let first = self.session.rows("first_due", (name, length, priority, ""))?;
            let due_in = first.first().and_then(|row| row.number(0));
            oldest = [oldest, due_in.filter(|due| *due <= 0)].into_iter().flatten().min();
            below = priority;
        }
        let oldest_wait = oldest.map(|due_in| millis(due_in.saturating_neg()));
        Ok(Size { waiting: count(0), delayed: count(1), running: count(2), oldest_wait, queue })
    }
}
