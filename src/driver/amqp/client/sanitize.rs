//! Makes text of what is none, in the frames that hold words of strangers, without a change of length.

/// The largest message that a broker can be configured to take.
pub(super) const BODY_LIMIT: u64 = 512 * 1024 * 1024;

/// How deep tables may be nested.
const DEPTH: usize = 16;

/// Reads and mends from the front.
struct Cursor<'b>(&'b mut [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b mut [u8]> {
        if count > self.0.len() {
            return None;
        }
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(count);
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn short_text(&mut self) -> Option<()> {
        let length = self.number(1)? as usize;
        make_text(self.take(length)?);
        Some(())
    }

    /// The pairs of a table, or the values of an array.
    fn fields(&mut self, depth: usize, has_keys: bool) -> Option<()> {
        while !self.0.is_empty() {
            if has_keys {
                self.short_text()?;
            }
            self.value(depth)?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let kind = &mut self.take(1)?[0];
        let width = match *kind {
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'i' | b'I' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'V' => 0,
            b'S' | b'x' | b'A' | b'F' => {
                let length = self.number(4)? as usize;
                let inside = self.take(length)?;
                match *kind {
                    b'A' | b'F' if depth == 0 => *kind = b'x',
                    b'A' | b'F' => Cursor(inside).fields(depth - 1, *kind == b'F')?,
                    b'S' if std::str::from_utf8(inside).is_err() => *kind = b'x',
                    _ => {}
                }
                0
            }
            _ => return None,
        };
        self.take(width).map(drop)
    }
}

/// Makes a text of any bytes.
fn make_text(bytes: &mut [u8]) {
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&bytes[from..]) {
        let bad = from + error.valid_up_to();
        let count = error.error_len().unwrap_or(bytes.len() - bad);
        bytes[bad..bad + count].fill(b'?');
        from = bad + count;
    }
}

/// Mends the texts of a method that come from others, or are cut off by the broker; answers the size of frames, where
/// that is what it is about.
pub(super) fn method(payload: &mut [u8]) -> Option<u32> {
    let mut cursor = Cursor(payload);
    match (cursor.number(2)?, cursor.number(2)?) {
        // connection.tune
        (10, 30) => {
            cursor.take(2)?;
            return Some(cursor.number(4)? as u32);
        }
        // connection.close, channel.close
        (10, 50) | (20, 40) => {
            cursor.take(2)?;
            cursor.short_text()?;
        }
        // connection.blocked
        (10, 60) => cursor.short_text()?,
        // basic.return
        (60, 50) => {
            cursor.take(2)?;
            (0..3).try_for_each(|_| cursor.short_text())?;
        }
        // basic.deliver
        (60, 60) => {
            cursor.short_text()?;
            cursor.take(9)?;
            (0..2).try_for_each(|_| cursor.short_text())?;
        }
        // basic.get-ok
        (60, 71) => {
            cursor.take(9)?;
            (0..2).try_for_each(|_| cursor.short_text())?;
        }
        _ => {}
    }
    None
}

/// Mends the properties of a message.
pub(super) fn content_head(payload: &mut [u8]) -> Result<(), String> {
    let mut cursor = Cursor(payload);
    let size = cursor.take(4).and_then(|_| cursor.number(8)).unwrap_or(0);
    if size > BODY_LIMIT {
        return Err(format!("a message of {size} bytes came, and no broker takes more than {BODY_LIMIT}"));
    }
    // What can't be read is left to the library.
    let _ = properties(&mut cursor);
    Ok(())
}

fn properties(cursor: &mut Cursor<'_>) -> Option<()> {
    let flags = cursor.number(2)?;
    // content_type, content_encoding, headers, delivery_mode, priority, correlation_id, reply_to, expiration,
    // message_id, timestamp, type, user_id, app_id, cluster_id
    for (at, kind) in "ssh11ssss8ssss".chars().enumerate() {
        if flags >> (15 - at) & 1 == 0 {
            continue;
        }
        match kind {
            's' => cursor.short_text()?,
            'h' => {
                let length = cursor.number(4)? as usize;
                // A table that can't be read to its end is left to the library; the rest is not.
                let _ = Cursor(cursor.take(length)?).fields(DEPTH, true);
            }
            '1' => drop(cursor.take(1)?),
            _ => drop(cursor.take(8)?),
        }
    }
    Some(())
}
