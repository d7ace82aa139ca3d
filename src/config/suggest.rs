//! "Did you mean …?"

/// The known name that `name` is most likely a slip of, or its first letters.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &&str| {
        let slips = distance(name, candidate);
        let is_start = name.len() >= 3 && candidate.starts_with(name);
        (is_start || slips <= candidate.len().div_ceil(3)).then_some(slips)
    };
    known.iter().filter_map(|candidate| Some((close(candidate)?, *candidate))).min().map(|(_, name)| name)
}

/// How many slips of the keyboard lie between two words: a letter added, dropped, changed, or two
/// neighbours swapped.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for row in 1..=from.len() {
        let mut current = vec![row];
        for column in 1..=to.len() {
            let changed = usize::from(from[row - 1] != to[column - 1]);
            let mut slips = (last[column - 1] + changed).min(last[column] + 1).min(current[column - 1] + 1);
            let swapped =
                row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if swapped {
                slips = slips.min(before_last[column - 2] + 1);
            }
            current.push(slips);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_find_their_word() {
        let known = ["connection", "table", "poll", "tz", "workers"];
        let table = [
            ("tabel", Some("table")),
            ("pol", Some("poll")),
            ("conection", Some("connection")),
            ("worker", Some("workers")),
            ("tx", Some("tz")),
            ("con", Some("connection")),
            ("wo", None),
            ("colour", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }
}
