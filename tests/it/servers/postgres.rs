//! A private PostgreSQL server.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::certificate::{Certificate, Until};
use super::folder::Folder;
use super::port::Port;
use super::process::{Process, command, descendants, run, signal};
use super::programs::{User, find};
use super::watchdog;

const PACKAGE: &str = "postgresql";

/// No socket in the file system: the path of the folder may be longer than a socket's may be.
/// fsync stays on, as in real life: what these servers are killed for is to see what is lost.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
";

/// How a server differs from the usual one.
#[derive(Default)]
pub struct Options {
    settings: Vec<String>,
    access: Vec<String>,
    tls: Option<Until>,
}

impl Options {
    /// A line of postgresql.conf, such as `default_transaction_isolation = serializable`.
    pub fn setting(mut self, line: &str) -> Options {
        self.settings.push(line.to_string());
        self
    }

    /// A line of pg_hba.conf, before the one that lets everybody in: for example
    /// `host all guest 127.0.0.1/32 scram-sha-256`, and the user `guest` needs the password.
    pub fn access(mut self, line: &str) -> Options {
        self.access.push(line.to_string());
        self
    }

    /// With TLS, and a certificate of an authority that nobody knows.
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
pub struct Postgres {
    process: Option<Process>,
    certificate: Option<Certificate>,
    port: Port,
    databases: AtomicU32,
    user: User,
    folder: Folder,
}

impl Postgres {
    /// The server that the tests of this process share. Each takes a `database()` of its own.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Postgres::start(Options::default()))
    }

    /// A new server with an empty database `postgres`. Everybody may come from 127.0.0.1 without a
    /// password.
    pub fn start(options: Options) -> Postgres {
        let user = User::of_server("postgres", PACKAGE);
        let folder = Folder::new("postgres", &user);
        let port = Port::claim();
        let data = folder.join("data");
        // No sync of the empty database only; the server itself syncs.
        let mut initdb = command(&find("initdb", PACKAGE), &user, folder.path());
        initdb
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data);
        run(&mut initdb, "").unwrap_or_else(|error| panic!("cannot create a PostgreSQL database: {error}"));

        let mut settings = format!("{SETTINGS}port = {}\n", port.number());
        let certificate = options.tls.map(|until| Certificate::make(&folder, &user, until));
        if let Some(made) = &certificate {
            let (file, key) = (made.certificate.display(), made.key.display());
            settings += &format!("ssl = on\nssl_cert_file = '{file}'\nssl_key_file = '{key}'\n");
            settings += &format!("ssl_ca_file = '{}'\n", made.authority.display());
        }
        settings += &options.settings.join("\n");
        folder.write("data/postgresql.conf", &settings);
        let access = options.access.join("\n");
        folder.write("data/pg_hba.conf", &format!("{access}\nhost all all 127.0.0.1/32 trust\n"));

        let mut server =
            Postgres { process: None, certificate, port, databases: AtomicU32::new(0), user, folder };
        server.start_again();
        server
    }

    /// A standby of a server that lets `replication` in, with the same data. It is called `standby` there.
    pub fn standby_of(primary: &Postgres) -> Postgres {
        let user = User::of_server("postgres", PACKAGE);
        let folder = Folder::new("postgres", &user);
        let port = Port::claim();
        let mut copy = command(&find("pg_basebackup", PACKAGE), &user, folder.path());
        let from = format!("host=127.0.0.1 port={} user=postgres application_name=standby", primary.port());
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--dbname", &from, "--pgdata"]);
        copy.arg(folder.join("data"));
        run(&mut copy, "").unwrap_or_else(|error| panic!("cannot copy a PostgreSQL server: {error}"));
        let (number, databases) = (port.number(), AtomicU32::new(0));
        let mut server = Postgres { process: None, certificate: None, port, databases, user, folder };
        server.set(&format!("port = {number}"));
        server.start_again();
        server
    }

    /// Makes a primary of a standby, and waits until it is one.
    pub fn promote(&self) {
        assert_eq!(self.psql("SELECT pg_promote(true, 120)"), "t", "the standby was not promoted");
    }

    /// Adds a line to its settings, for the next start or reload.
    pub fn set(&self, line: &str) {
        let file = self.folder.join("data/postgresql.conf");
        let settings = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", file.display()));
        self.folder.write("data/postgresql.conf", &format!("{settings}\n{line}\n"));
    }

    /// Starts it on its old port and data after `stop` or `kill`, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the PostgreSQL server runs already");
        let program = find("postgres", PACKAGE);
        let mut postgres = command(&program, &self.user, self.folder.path());
        postgres.arg("-D").arg(self.folder.join("data"));
        let log = self.folder.join("server.log");
        let mut process = Process::start("the PostgreSQL server", &mut postgres, log);
        let url = self.url();
        process.wait_until_ready(|| query(&url, "SELECT 1").map(drop));
        self.process = Some(process);
    }

    /// Stops it in good order: connections are ended, everything is written down.
    pub fn stop(&mut self) {
        // SIGTERM would wait for the clients to leave.
        self.running("stop").stop("INT");
    }

    /// Stops its clock: it answers nobody until `resume`.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// The end of that.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// To the server and all its children, each of which has a process group of its own.
    fn signal(&self, name: &str) {
        let Some(id) = self.id() else { return };
        signal(name, descendants(id).into_iter().chain([id]).map(|id| id.to_string()));
    }

    /// `kill -9` of the server and everything that belongs to it.
    pub fn kill(&mut self) {
        self.running("kill").kill();
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The database `postgres`, as the superuser `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where all its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a client has to trust to accept this server, when it was started with TLS.
    pub fn authority(&self) -> Option<&Path> {
        Some(self.certificate.as_ref()?.authority.as_path())
    }

    /// The certificate of the client `strict`, and its key, for a server with TLS.
    pub fn client(&self) -> Option<&[PathBuf; 2]> {
        Some(&self.certificate.as_ref()?.client)
    }

    /// The url of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&format!("CREATE DATABASE {name}"));
        self.url_of(&name)
    }

    /// Runs SQL in the database `postgres`, and panics when it fails.
    pub fn psql(&self, sql: &str) -> String {
        query(&self.url(), sql).unwrap_or_else(|error| panic!("cannot run `{sql}`: {error}"))
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    fn running(&mut self, to: &str) -> Process {
        let process = self.process.take();
        process.unwrap_or_else(|| panic!("cannot {to} the PostgreSQL server: it does not run"))
    }
}

/// Runs SQL through psql, each statement a transaction of its own. Returns the rows as lines, the
/// columns parted by `|`. The first error ends it.
pub fn query(url: &str, sql: &str) -> Result<String, String> {
    let mut psql = command(&find("psql", "postgresql-client"), &User::Own, watchdog::folder());
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]).args([
        "--set=ON_ERROR_STOP=1",
        "--dbname",
        url,
        "--file=-",
    ]);
    run(&mut psql, sql)
}
