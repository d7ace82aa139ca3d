//! `craft dashboard`: serves the dashboard until a signal ends it.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::arguments::{connection, option, switch, text};
use super::exit::{Exit, usage};
use super::invocation::Invocation;
use super::{print, signals};
use crate::dashboard::Dashboard;
use crate::error::{Error, Result};

/// Loopback: nobody else reaches it.
const LISTEN: &str = "127.0.0.1:7722";

pub(super) fn command() -> Command {
    Command::new("dashboard")
        .about("Show what waits, runs and has failed in a browser, and act on it")
        .arg(option("listen", "ADDRESS", "Listen here; port 0 takes a free one [default: 127.0.0.1:7722]"))
        .arg(
            option("driver", "NAME", "A driver to show; may be given again [default: the configured one]")
                .short('d')
                .action(ArgAction::Append),
        )
        .arg(connection())
        .arg(option("token-file", "FILE", "Ask for the token in this file: at least 32 letters and digits"))
        .arg(switch("read-only", "Show, and refuse every act"))
        .arg(
            Arg::new("host")
                .long("host")
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Answer under this host name too; may be given again"),
        )
        .arg(option("base-path", "PATH", "The path of the dashboard behind a proxy: /jobs"))
        .after_long_help(
            "Without a token it listens on this machine only. For another address, or behind a proxy:\n  \
             openssl rand -hex 32 > dashboard.token\n  \
             craft dashboard --listen 0.0.0.0:7722 --token-file dashboard.token --host jobs.example.org\n\n\
             It speaks HTTP. A proxy in front of it brings TLS. Prometheus reads /metrics, and a check /healthz.",
        )
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let address = address(text(matches, "listen").unwrap_or(LISTEN))?;
    let token = text(matches, "token-file").map(|file| token(Path::new(file))).transpose()?;
    if token.is_none() && !address.ip().is_loopback() {
        return Err(usage(format!("--listen {address}: others reach this address, so a token is needed"))
            .with_help("openssl rand -hex 32 > dashboard.token, then --token-file dashboard.token"));
    }
    let drivers: Vec<String> = matches.get_many::<String>("driver").into_iter().flatten().cloned().collect();
    let queue = invocation.open_connection(matches)?;
    let mask = queue.config().dashboard.mask.clone();
    let mut dashboard = Dashboard::new(queue).mask(mask)?;
    if !drivers.is_empty() {
        dashboard = dashboard.drivers(drivers)?;
    }
    if let Some(token) = token {
        dashboard = dashboard.token(token)?;
    }
    if matches.get_flag("read-only") {
        dashboard = dashboard.read_only();
    }
    for name in matches.get_many::<String>("host").into_iter().flatten() {
        dashboard = dashboard.host(name)?;
    }
    let base = text(matches, "base-path").unwrap_or_default();
    let dashboard = dashboard.base_path(base)?;
    let listener = TcpListener::bind(address).map_err(|cause| {
        let help = "is another dashboard running? --listen 127.0.0.1:0 takes a free port";
        Error::other(format!("cannot listen on {address}")).because(&cause).with_help(help)
    })?;
    let (stop, stopped) = crossbeam::channel::bounded(1);
    // A second signal says nothing new: what is being answered takes some seconds at most.
    signals::listen(move |_| {
        let _ = stop.try_send(());
    })?;
    let server = dashboard.serve(listener)?;
    print::line(format!("Dashboard on http://{}{}/", server.address(), base.trim_end_matches('/')));
    print::flush();
    // The handler keeps the other end for as long as the process lives.
    let _ = stopped.recv();
    server.stop();
    Ok(Exit::Fine)
}

fn address(given: &str) -> Result<SocketAddr> {
    let found = given.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        usage(format!("--listen: {given:?} is no address"))
            .with_help("write HOST:PORT, such as 127.0.0.1:7722")
    })
}

fn token(file: &Path) -> Result<String> {
    let read = std::fs::read_to_string(file);
    read.map(|text| text.trim().to_owned()).map_err(|cause| {
        Error::config(format!("cannot read the token file {}", file.display())).because(&cause)
    })
}
