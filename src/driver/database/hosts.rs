//! Servers with several hosts: the first that answers, and that lets write, is taken.

use std::time::Duration;

use crate::config::Server;
use crate::error::{Error, Result};

/// Opens a connection to the first host of a URL on which that goes. `patience` is how long it may take with all of
/// them together.
///
/// # Errors
/// Each of them refuses, or can't be reached. It says why, of each.
pub(super) fn first<T>(
    url: &str,
    patience: Duration,
    mut open: impl FnMut(Server, Duration) -> Result<T>,
) -> Result<T> {
    let servers = Server::all(url)?;
    let patience = patience / u32::try_from(servers.len()).unwrap_or(1).max(1);
    let mut refusals = Vec::new();
    for server in servers {
        match open(server, patience) {
            Ok(opened) => return Ok(opened),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(together(refusals))
}

/// One error for all hosts. It is final only where no host can come back: while one of them is merely away, a
/// second try may succeed there, whatever the others refuse.
fn together(refusals: Vec<Error>) -> Error {
    let may_come_back = refusals.iter().any(Error::is_unavailable);
    let said: Vec<_> = refusals.iter().map(Error::to_string).collect();
    match (refusals.len(), may_come_back) {
        (2.., true) => Error::unavailable(said.join("; "))
            .with_help("is one of them running, and does it let write, as a standby does not?"),
        _ => refusals.into_iter().next().unwrap_or_else(|| Error::unavailable("no host is named")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, answer: fn(&str) -> Result<()>) -> (Vec<String>, Result<()>) {
        let mut asked = Vec::new();
        let opened = first(url, Duration::from_secs(6), |server, patience| {
            assert!(patience <= Duration::from_secs(6));
            let host = server.url.split(['@', '/']).nth(3).unwrap_or_default().to_owned();
            let answered = answer(&host);
            asked.push(host);
            answered
        });
        (asked, opened)
    }

    #[test]
    fn hosts_are_asked_in_turn_until_one_answers() {
        let url = "postgres://u@a:1,b,[::1]:3/db";
        let down = |host: &str| Err(Error::unavailable(format!("{host} is down")));
        assert_eq!(open(url, |_| Ok(())).0, ["a:1"]);
        let (asked, opened) =
            open(url, |host| if host == "b" { Ok(()) } else { Err(Error::unavailable("away")) });
        assert_eq!((asked.len(), opened.is_ok()), (2, true));
        let (asked, opened) = open(url, down);
        assert_eq!(asked, ["a:1", "b", "[::1]:3"]);
        let error = opened.unwrap_err();
        assert_eq!(error.to_string(), "a:1 is down; b is down; [::1]:3 is down");
        assert!(error.is_unavailable());
        let refuses = |host: &str| match host {
            "b" => Err(Error::config("b refuses").with_help("do this")),
            _ => Err(Error::unavailable("away")),
        };
        let error = open(url, refuses).1.unwrap_err();
        assert_eq!(error.to_string(), "away; b refuses; away");
        assert!(error.is_unavailable(), "a host that is away may come back");
        let error = open(url, |_| Err(Error::config("refused").with_help("do this"))).1.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.help()), ("refused", Some("do this")));
        assert!(error.is_config());
        let error = open("postgres://u@a/db", down).1.unwrap_err();
        assert_eq!(error.to_string(), "a is down");
    }
}
