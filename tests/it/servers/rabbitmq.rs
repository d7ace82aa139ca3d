//! A private RabbitMQ broker.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::certificate::{Certificate, Until};
use super::folder::Folder;
use super::port::Port;
use super::process::{Process, command, run, signal};
use super::programs::{User, find};

const PACKAGE: &str = "rabbitmq-server";

/// How a broker differs from the usual one.
#[derive(Default)]
pub struct Options {
    settings: Vec<String>,
    tls: Option<Until>,
}

impl Options {
    /// A line of rabbitmq.conf, such as `consumer_timeout = 5000`.
    pub fn setting(mut self, line: &str) -> Options {
        self.settings.push(line.to_string());
        self
    }

    /// With TLS on a port of its own, at 127.0.0.1 and 127.0.0.2, and a certificate of an authority that nobody
    /// knows.
    pub fn tls(mut self) -> Options {
        self.tls = Some(Until::Later);
        self
    }

    /// The same, with a certificate that has expired.
    pub fn expired_tls(mut self) -> Options {
        self.tls = Some(Until::Past);
        self
    }
}

/// Killed and removed when it is dropped.
pub struct RabbitMq {
    broker: Option<Process>,
    epmd: Arc<Epmd>,
    port: Port,
    tls: Option<(Port, Certificate)>,
    node_port: Port,
    vhosts: AtomicU32,
    user: User,
    folder: Folder,
}

impl RabbitMq {
    /// The broker that the tests of this process share. Each takes a `vhost()` of its own.
    pub fn shared() -> &'static RabbitMq {
        static SHARED: OnceLock<RabbitMq> = OnceLock::new();
        SHARED.get_or_init(|| RabbitMq::start(Options::default()))
    }

    /// A new broker without plugins. `guest` comes in with the password `guest`.
    pub fn start(options: Options) -> RabbitMq {
        Self::start_at(options, Arc::new(Epmd::start()))
    }

    /// The same among the nodes of a directory.
    pub(super) fn start_at(options: Options, epmd: Arc<Epmd>) -> RabbitMq {
        let user = User::of_server("rabbitmq", PACKAGE);
        let folder = Folder::new("rabbitmq", &user);
        let [port, node_port] = [Port::claim(), Port::claim()];
        let listen = format!("listeners.tcp.local = 127.0.0.1:{}", port.number());
        let mut settings = options.settings.join("\n");
        let tls = options.tls.map(|until| (Port::claim(), Certificate::make(&folder, &user, until)));
        if let Some((port, made)) = &tls {
            for (name, address) in [("local", "127.0.0.1"), ("other", "127.0.0.2")] {
                settings += &format!("\nlisteners.ssl.{name} = {address}:{}", port.number());
            }
            let files =
                [("cacertfile", &made.authority), ("certfile", &made.certificate), ("keyfile", &made.key)];
            for (name, file) in files {
                settings += &format!("\nssl_options.{name} = {}", file.display());
            }
        }
        folder.write("rabbitmq.conf", &format!("{listen}\n{settings}\n"));
        folder.write("enabled_plugins", "[].\n");
        folder.write("advanced.config", "[].\n");

        // Nodes of one cluster have the same.
        folder.write(".erlang.cookie", "CRAFTQUEUE");

        let mut broker =
            RabbitMq { broker: None, epmd, port, tls, node_port, vhosts: AtomicU32::new(0), user, folder };
        broker.start_again();
        broker
    }

    /// Starts it on its old port and data after `stop` or `kill`, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.broker.is_none(), "the RabbitMQ broker runs already");
        let log = self.folder.join("server.log");
        let mut server = self.erlang("rabbitmq-server");
        let mut process = Process::start("the RabbitMQ broker", &mut server, log);
        let port = self.port();
        process.wait_until_ready(|| shake_hands(port));
        self.broker = Some(process);
        // It takes connections a moment before it has started.
        self.rabbitmqctl(&["await_startup"]);
    }

    /// Stops it in good order: connections are closed, everything is written down.
    pub fn stop(&mut self) {
        self.running("stop").stop("TERM");
    }

    /// To be called after queues were declared and before `kill`, unless the loss of queues is what
    /// the test is about. RabbitMQ 3.10 answers a declaration when the record of it is in its log,
    /// and the one that says it is valid may follow later (after a second, seen once): a broker that
    /// is killed in between takes the declaration back when it starts, and the queue is gone. Khepri, from 4.3
    /// on, has no such log.
    pub fn sync_definitions(&self) {
        self.rabbitmqctl(&["eval", "catch mnesia:sync_log()."]);
    }

    /// `kill -9` of the broker and everything that belongs to it.
    pub fn kill(&mut self) {
        self.running("kill").kill();
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops its clock: nobody hears of it any more, and it hears of nobody.
    pub fn pause(&self) {
        signal("STOP", self.id().map(|id| format!("-{id}")));
    }

    /// The end of that.
    pub fn resume(&self) {
        signal("CONT", self.id().map(|id| format!("-{id}")));
    }

    /// The name of its node.
    pub fn node(&self) -> String {
        format!("craft-{}@localhost", self.port())
    }

    /// The vhost `/`, as `guest`.
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port of TLS, when it was started with that.
    pub fn tls_port(&self) -> Option<u16> {
        Some(self.tls.as_ref()?.0.number())
    }

    /// What a client has to trust to accept this broker by TLS.
    pub fn authority(&self) -> Option<&Path> {
        Some(&self.tls.as_ref()?.1.authority)
    }

    /// The certificate of the client `strict`, and its key.
    pub fn client(&self) -> Option<&[PathBuf; 2]> {
        Some(&self.tls.as_ref()?.1.client)
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.broker.as_ref().map(Process::id)
    }

    /// Where all its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The url of a new, empty vhost.
    pub fn vhost(&self) -> String {
        let name = format!("test_{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.rabbitmqctl(&["add_vhost", &name]);
        self.rabbitmqctl(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"]);
        self.url_of(&name)
    }

    /// Runs `rabbitmqctl`, and panics when it fails. Returns what it printed.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        self.try_rabbitmqctl(arguments)
            .unwrap_or_else(|error| panic!("cannot run `rabbitmqctl {arguments:?}`: {error}"))
    }

    /// Runs `rabbitmqctl`. An error is what it said.
    pub fn try_rabbitmqctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut rabbitmqctl = self.erlang("rabbitmqctl");
        rabbitmqctl.arg("--quiet").args(arguments);
        run(&mut rabbitmqctl, "")
    }

    /// A command that knows this broker and nothing of the machine's own one.
    fn erlang(&self, program: &str) -> Command {
        let mut command = command(&find(program, PACKAGE), &self.user, self.folder.path());
        let number = |port: &Port| port.number().to_string();
        command
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_DIST_PORT", number(&self.node_port))
            .env("ERL_EPMD_PORT", number(&self.epmd.port))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_FLAGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            // Any free port, else only eleven of them could run at once on a machine.
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "0")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "0")
            .env("RABBITMQ_CONF_ENV_FILE", self.folder.join("no-such-file"))
            .env("RABBITMQ_CONFIG_FILE", self.folder.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.folder.join("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.folder.join("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("data"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("log"))
            .env("RABBITMQ_LOGS", "-")
            // Makes the script become the broker, where it would else be its parent.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }

    fn url_of(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.port())
    }

    fn running(&mut self, to: &str) -> Process {
        let broker = self.broker.take();
        broker.unwrap_or_else(|| panic!("cannot {to} the RabbitMQ broker: it does not run"))
    }
}

/// Erlang's directory of nodes. Started here, because a broker that finds none starts one that stays for ever.
pub(super) struct Epmd {
    port: Port,
    _process: Process,
    _folder: Folder,
}

impl Epmd {
    pub(super) fn start() -> Epmd {
        let user = User::of_server("rabbitmq", PACKAGE);
        let (folder, port) = (Folder::new("epmd", &user), Port::claim());
        let mut epmd = command(&find("epmd", "erlang-base"), &user, folder.path());
        epmd.args(["-address", "127.0.0.1", "-port", &port.number().to_string()]);
        let mut process = Process::start("the Erlang port mapper", &mut epmd, folder.join("epmd.log"));
        process.wait_until_ready(|| connect(port.number()).map(drop));
        Epmd { port, _process: process, _folder: folder }
    }
}

fn connect(port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("cannot connect to port {port}: {error}"))
}

/// Says what an AMQP client says first, and waits for the first frame of the answer.
fn shake_hands(port: u16) -> Result<(), String> {
    let mut stream = connect(port)?;
    let mut kind = [0];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .and_then(|()| stream.write_all(b"AMQP\x00\x00\x09\x01"))
        .and_then(|()| stream.read_exact(&mut kind))
        .map_err(|error| format!("port {port} does not speak AMQP: {error}"))?;
    match kind {
        [1] => Ok(()),
        [other] => Err(format!("port {port} does not speak AMQP, it says {other}")),
    }
}
