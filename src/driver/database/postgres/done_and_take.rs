//! What a busy worker does most: removes what is done, and takes what is due.

use std::time::Instant;

use super::super::adapter::{Adapter, Take};
use super::turns::FIRST_LINE;
use super::{Postgres, columns, count, lines, read, session};
use crate::driver::{Receipt, Reserved};
use crate::error::Result;
use crate::time::whole_millis;

impl Postgres {
    /// Removes what is done and takes, in a crowd in two steps.
    pub(super) fn done_and_take(
        &mut self,
        done: &[Receipt],
        take: &Take<'_>,
        most: usize,
    ) -> Result<(Vec<Receipt>, Vec<Reserved>)> {
        // Where nothing is wanted, no turn is waited for.
        if done.is_empty() || most == 0 || !self.is_in_crowd()? {
            return Ok(self.take_from_cursor(done, take, most, !done.is_empty(), None)?.unwrap_or_default());
        }
        let lost = self.delete(done)?;
        let taken = match self.take_from_cursor(&[], take, most, true, Some(self.turns.line)) {
            Ok(None) => {
                self.turns.missed(Instant::now());
                self.take_from_cursor(&[], take, most, true, None)
            }
            taken => taken,
        };
        // What was removed is to be told; the next take meets the same error.
        Ok((lost, taken.ok().flatten().unwrap_or_default().1))
    }

    fn is_in_crowd(&mut self) -> Result<bool> {
        let now = Instant::now();
        if self.turns.shall_look(now) {
            match self.query("crowd", &[]) {
                Ok(rows) => self.turns.saw(rows.first().and_then(|row| row.number(0)).unwrap_or(0), now),
                Err(error) if error.is_unavailable() => return Err(error),
                Err(_) => self.turns.missed(now),
            }
        }
        Ok(self.turns.is_crowd)
    }

    /// In one statement. `line` is the line in which it waits for its turn; `None`: the turn did not come.
    fn take_from_cursor(
        &mut self,
        done: &[Receipt],
        take: &Take<'_>,
        most: usize,
        is_busy: bool,
        line: Option<&'static str>,
    ) -> Result<Option<(Vec<Receipt>, Vec<Reserved>)>> {
        let (ids, tokens) = columns(done);
        let (queues, priorities) = lines(take.queues);
        self.cursor.begin(is_busy);
        let behind = |(queue, priority): (&String, &i16)| {
            self.cursor.get(queue, i64::from(*priority)).unwrap_or(read::BEFORE_ALL)
        };
        let (since, after): (Vec<_>, Vec<_>) = queues.iter().zip(&priorities).map(behind).unzip();
        let (token, lease, limit) = (take.token, whole_millis(take.lease), count(most));
        let began = Instant::now();
        let passed_over = self.passed_over.clone();
        let rows = self.session.call(move |session| {
            if let Some(line) = line {
                let begin = format!("BEGIN;\n{}", session.text("take_turn").replace(FIRST_LINE, line));
                if let Err(error) = session.run(&begin) {
                    // On a connection that is alive it was the wait that took too long.
                    return session.run("ROLLBACK").map(|()| None).map_err(|_| error);
                }
            }
            let values: [&session::Parameter<'_>; 10] =
                [&queues, &priorities, &token, &lease, &limit, &ids, &tokens, &since, &after, &passed_over];
            let rows = session.query("done_and_take", &values);
            if line.is_some() {
                match &rows {
                    Ok(_) => session.run("COMMIT -- craft_take")?,
                    // A connection on which it fails is dropped.
                    Err(_) => drop(session.run("ROLLBACK")),
                }
            }
            rows.map(Some)
        })?;
        let Some(rows) = rows else { return Ok(None) };
        let (taken, lost) = rows.split_at(rows.partition_point(|row| !read::is_lost(row)));
        for row in taken {
            let (queue, priority, place) = read::place(row)?;
            self.cursor.found(&queue, i64::from(priority), place);
        }
        self.cursor.end(taken.len() == most, began.elapsed());
        let lost = lost.iter().map(|row| read::receipt(row, 0, read::LOST)).collect::<Result<_>>()?;
        Ok(Some((lost, read::reserved(taken, take)?)))
    }
}
