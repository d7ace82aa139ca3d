//! The hosts of a URL: one server each, with an address and a port.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::tls::{self, Tls};
#[cfg(any(feature = "postgres", feature = "mysql", test))]
use super::url::Url;
use super::url::{encode, split_host};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::config::diagnostics::ValueError;

/// A host as a URL has it: an IPv6 address in brackets, the path of a socket encoded. Of several, with commas between,
/// each may have a port of its own.
pub(crate) fn host_in_url(host: &str, port: Option<u16>) -> String {
    if host.contains(',') {
        let one = |host: &str| match split_host(host) {
            Ok((_, Some(_))) => host.to_owned(),
            _ => host_in_url(host, port),
        };
        return host.split(',').map(|host| one(host.trim())).collect::<Vec<_>>().join(",");
    }
    let host = match host {
        _ if host.starts_with('/') => encode(host),
        _ if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        _ => host.to_owned(),
    };
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// The name and the port of a host as people write it; an IPv6 address without a port needs no brackets.
#[cfg(feature = "amqp")]
pub(crate) fn host_and_port(text: &str) -> (String, Option<u16>) {
    match split_host(text) {
        Ok((host, port)) => (host.trim_matches(['[', ']']).to_owned(), port),
        Err(_) => (text.to_owned(), None),
    }
}

/// One server as its client library gets it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) struct Server {
    /// Without the TLS options; password included.
    pub(crate) url: String,
    pub(crate) tls: Tls,
    /// Which one it is, where the URL names several: the client needs one that accepts writes then.
    pub(crate) one_of_several: Option<String>,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Server {
    /// The server of a connection's URL.
    ///
    /// # Errors
    /// A program set a URL that cannot be parsed. The message does not show it.
    pub(crate) fn of(url: &str) -> crate::error::Result<Self> {
        let read = || {
            let mut url = Url::parse(url)?;
            let tls = tls::take(&mut url)?;
            tls.check().map_err(|(_, wrong)| wrong)?;
            Ok(Self { url: url.to_string(), tls, one_of_several: None })
        };
        read().map_err(|wrong: ValueError| wrong.at("connection"))
    }

    /// One server for each host of the URL, in order.
    ///
    /// # Errors
    /// As [`Server::of`].
    pub(crate) fn all(url: &str) -> crate::error::Result<Vec<Self>> {
        let all = Self::of(url)?;
        let url = Url::parse(&all.url).map_err(|wrong| wrong.at("connection"))?;
        let one = |host: &str| Self {
            url: Url { host: host.to_owned(), ..url.clone() }.to_string(),
            tls: all.tls.clone(),
            one_of_several: url.host.contains(',').then(|| host.to_owned()),
        };
        Ok(url.host.split(',').map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_and_out_of_urls() {
        let table =
            [("h", None, "h"), ("h", Some(1), "h:1"), ("::1", Some(1), "[::1]:1"), ("::1", None, "[::1]")];
        for (host, port, written) in table {
            assert_eq!(host_in_url(host, port), written);
            let url = Url { host: written.into(), ..Url::default() };
            assert_eq!(url.host_and_port().unwrap(), (host.to_owned(), port));
        }
        assert_eq!(host_in_url("/run/postgresql", None), "%2Frun%2Fpostgresql");
        assert_eq!(host_in_url("a,b:2,::1,[::2]:3", Some(1)), "a:1,b:2,[::1]:1,[::2]:3");
        assert_eq!(host_in_url("a,b:2", None), "a,b:2");
    }
}
