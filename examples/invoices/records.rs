//! Cuts a file into records, and knows on which line each begins.

use craft_queue::{Error, Result};
use csv::{ByteRecord, Reader, ReaderBuilder};

/// The records of a file.
///
/// A quote that is opened and never closed would swallow all lines after it. So a record that runs over
/// several lines and makes no sense loses only its first line, and reading goes on with the next.
pub struct Records<'a> {
    text: &'a [u8],
    delimiter: u8,
    reader: Reader<&'a [u8]>,
    /// Where in the text the reader began.
    start: usize,
    /// How many line ends stand before `counted`.
    line_ends: u64,
    counted: usize,
}

/// A record, or why there is none.
pub struct Found {
    /// The line it begins on, from 1.
    pub line: u64,
    pub record: ByteRecord,
    pub wrong: Option<String>,
}

impl<'a> Records<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let delimiter = delimiter(text);
        Self { text, delimiter, reader: reader(text, delimiter), start: 0, line_ends: 0, counted: 0 }
    }

    /// The next record, which should have this many fields, or as many as it likes.
    ///
    /// # Errors
    /// The text can't be read as CSV at all.
    pub fn next(&mut self, width: Option<usize>) -> Result<Option<Found>> {
        let mut record = ByteRecord::new();
        let read = self.reader.read_byte_record(&mut record);
        if !read.map_err(|cause| Error::invalid("this is not CSV").because(&cause))? {
            return Ok(None);
        }
        let (begin, end) = self.extent(&record);
        let line = self.line_of(begin);
        let raw = &self.text[begin..end];
        let first_line = raw.iter().position(|byte| *byte == b'\n').map_or(raw.len(), |place| place + 1);
        let several_lines = first_line < raw.len();
        let wrong_width = width.filter(|width| *width != record.len());
        let open_quote = raw.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        let wrong = match wrong_width {
            Some(_) | None if several_lines && (wrong_width.is_some() || open_quote) => {
                self.start = begin + first_line;
                self.reader = reader(&self.text[self.start..], self.delimiter);
                Some("a quote is opened and not closed".to_owned())
            }
            Some(width) => Some(format!("it has {} fields, and the first line has {width}", record.len())),
            None => None,
        };
        Ok(Some(Found { line, record, wrong }))
    }

    /// Where a record begins and ends, without the line ends around it.
    fn extent(&self, record: &ByteRecord) -> (usize, usize) {
        let place = |position: &csv::Position| {
            let offset = usize::try_from(position.byte()).unwrap_or(usize::MAX);
            self.start.saturating_add(offset).min(self.text.len())
        };
        let is_line_end = |place: usize| matches!(self.text[place], b'\r' | b'\n');
        let mut begin = record.position().map_or(self.start, place);
        let mut end = place(self.reader.position());
        while begin < end && is_line_end(begin) {
            begin += 1;
        }
        while end > begin && is_line_end(end - 1) {
            end -= 1;
        }
        (begin, end)
    }

    fn line_of(&mut self, place: usize) -> u64 {
        let passed = &self.text[self.counted..place];
        self.line_ends += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = place;
        self.line_ends + 1
    }
}

fn reader(text: &[u8], delimiter: u8) -> Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text)
}

/// Comma, semicolon or tab: whichever the first line has most of.
fn delimiter(text: &[u8]) -> u8 {
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first_line.iter().filter(|byte| **byte == delimiter).count();
    // Of equal counts the last one is the maximum.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}
