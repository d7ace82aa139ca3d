//! SQL told apart into code, names in quotes, texts and comments: as much of it as names and statements need.

/// A part of a statement, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words, numbers, signs.
    Code(&'a str),
    /// `"name"` or `` `name` ``.
    Name(&'a str),
    /// `'text'`.
    Text(&'a str),
    /// `-- …` to the end of its line, or `/* … */`.
    Comment(&'a str),
}

impl<'a> Piece<'a> {
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Code(text) | Self::Name(text) | Self::Text(text) | Self::Comment(text) => text,
        }
    }
}

/// The pieces of SQL text, in order; put together they are the text again.
pub(super) fn pieces(sql: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let (piece, after) = first_piece(rest)?;
        rest = after;
        Some(piece)
    })
}

fn first_piece(sql: &str) -> Option<(Piece<'_>, &str)> {
    let kind: fn(&str) -> Piece<'_> = match sql.as_bytes() {
        [] => return None,
        [b'\'', ..] => |text| Piece::Text(text),
        [b'"' | b'`', ..] => |text| Piece::Name(text),
        [b'-', b'-', ..] | [b'/', b'*', ..] => |text| Piece::Comment(text),
        _ => |text| Piece::Code(text),
    };
    let end = match sql.as_bytes() {
        [quote @ (b'\'' | b'"' | b'`'), ..] => end_of_quotes(sql, *quote),
        [b'-', b'-', ..] => sql.find('\n').unwrap_or(sql.len()),
        [b'/', b'*', ..] => sql.find("*/").map_or(sql.len(), |at| at + 2),
        _ => end_of_code(sql),
    };
    let (piece, after) = sql.split_at(end);
    Some((kind(piece), after))
}

/// A doubled quote is a quote, and so does one behind a backslash, which only MySQL reads so: in the
/// other databases a text that ends with a backslash is read as a longer one.
fn end_of_quotes(sql: &str, quote: u8) -> usize {
    let bytes = sql.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != b'`' => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    sql.len()
}

fn end_of_code(sql: &str) -> usize {
    let begins = |at: usize| {
        matches!(&sql.as_bytes()[at..], [b'\'' | b'"' | b'`', ..] | [b'-', b'-', ..] | [b'/', b'*', ..])
    };
    (0..sql.len()).find(|at| begins(*at)).unwrap_or(sql.len())
}

/// The statements of a script, without those that have nothing but comments. A statement ends with a
/// semicolon at the end of a line, so that the body of a trigger may stand on one line.
#[cfg(any(feature = "mysql", feature = "cli"))]
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut ends = Vec::new();
    let mut start = 0;
    for piece in pieces(sql) {
        if let Piece::Code(code) = piece {
            let at_end_of_line = |(at, _): &(usize, &str)| {
                let line = &sql[start + at + 1..];
                line.lines().next().unwrap_or_default().trim().is_empty()
            };
            ends.extend(code.match_indices(';').filter(at_end_of_line).map(|(at, _)| start + at));
        }
        start += piece.text().len();
    }
    ends.push(sql.len());
    let mut from = 0;
    let cut = |end: usize| {
        let statement = sql.get(from..end).unwrap_or_default();
        from = end + 1;
        statement
    };
    ends.into_iter().map(cut).filter(|statement| !words(statement).is_empty()).collect()
}

/// The words and names of SQL text, without quotes, comments and texts.
#[cfg(any(feature = "mysql", feature = "cli"))]
pub(super) fn words(sql: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for piece in pieces(sql) {
        match piece {
            Piece::Code(code) => words.extend(
                code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()),
            ),
            Piece::Name(name) => words.push(name.trim_matches(['"', '`'])),
            Piece::Text(_) | Piece::Comment(_) => {}
        }
    }
    words
}

/// The table that a statement makes or removes, as `verb` says (`CREATE`, `DROP`).
#[cfg(feature = "cli")]
pub(super) fn table_of<'a>(statement: &'a str, verb: &str) -> Option<&'a str> {
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    match &words(statement)[..] {
        [first, table, rest @ ..] if is(first, verb) && is(table, "TABLE") => {
            let optional = |word: &&&str| ["IF", "NOT", "EXISTS"].iter().any(|other| is(word, other));
            rest.iter().find(|word| !optional(word)).copied()
        }
        _ => None,
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_apart_and_make_the_text_again() {
        let sql = "SELECT 'it''s -- a', \"na\"\"me\", `b` -- it's\nFROM a /* ; ' */ WHERE b = 'é\\';'";
        let found: Vec<_> = pieces(sql).collect();
        assert_eq!(found.iter().map(|piece| piece.text()).collect::<String>(), sql);
        let others: Vec<_> = found.iter().filter(|piece| !matches!(piece, Piece::Code(_))).collect();
        assert_eq!(
            others,
            [
                &Piece::Text("'it''s -- a'"),
                &Piece::Name("\"na\"\"me\""),
                &Piece::Name("`b`"),
                &Piece::Comment("-- it's"),
                &Piece::Comment("/* ; ' */"),
                &Piece::Text("'é\\';'"),
            ]
        );
        for unfinished in ["'", "\"a", "`", "/*", "--", "'\\", "a'"] {
            assert_eq!(pieces(unfinished).map(Piece::text).collect::<String>(), unfinished);
        }
    }

    #[test]
    fn statements_end_with_a_semicolon_at_the_end_of_a_line() {
        let script = "-- one; \r\nCREATE TABLE a (b TEXT DEFAULT ';\n');\r\n\r\n-- nothing;\n;\nCREATE TRIGGER t \
                      BEGIN SET a = 1; SET b = 2; END;\nDROP TABLE a; ";
        let found: Vec<_> = statements(script).into_iter().map(str::trim).collect();
        assert_eq!(
            found,
            [
                "-- one; \r\nCREATE TABLE a (b TEXT DEFAULT ';\n')",
                "CREATE TRIGGER t BEGIN SET a = 1; SET b = 2; END",
                "DROP TABLE a"
            ]
        );
        assert_eq!(statements("-- nothing"), [""; 0]);
    }

    #[test]
    fn tables_that_are_made_and_removed() {
        let table = [
            ("CREATE TABLE jobs (id INTEGER)", "CREATE", Some("jobs")),
            ("-- a\ncreate table if not exists `order`(id)", "CREATE", Some("order")),
            ("DROP TABLE IF EXISTS \"a b\"", "DROP", Some("a b")),
            ("DROP TABLE jobs", "CREATE", None),
            ("CREATE INDEX a ON jobs (id)", "CREATE", None),
            ("", "DROP", None),
        ];
        for (sql, verb, expected) in table {
            assert_eq!(table_of(sql, verb), expected, "{sql}");
        }
    }
}
