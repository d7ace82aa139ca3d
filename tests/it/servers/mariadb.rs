//! A private MariaDB server, or MySQL where only that is installed: the tests are the same.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::certificate::{Certificate, Until};
use super::folder::Folder;
use super::port::Port;
use super::process::{Process, command, run};
use super::programs::{User, find, installed};
use super::watchdog;

const PACKAGE: &str = "mariadb-server";

/// Whether the server is MySQL: MariaDB is preferred where both are installed.
pub fn is_mysql() -> bool {
    installed("mariadbd").is_none() && installed("mysqld").is_some()
}

/// Nothing of the machine's own configuration counts. What makes commits durable stays as MariaDB
/// has it by default: on. The socket is named relative to the data, because the path of the folder
/// may be longer than a socket's may be; nobody uses it.
const ARGUMENTS: [&str; 6] = [
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--socket=server.sock",
    "--pid-file=server.pid",
    "--max-connections=300",
];

/// What stands behind FROM for the numbers from 1 up, in a column `seq`.
pub fn numbers_up_to(last: u32) -> String {
    match is_mysql() {
        true => format!(
            "(WITH RECURSIVE up (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM up WHERE seq < {last}) \
             SELECT seq FROM up) AS numbers"
        ),
        false => format!("seq_1_to_{last}"),
    }
}

/// MySQL's own `root` comes from `localhost` only, a name that is not looked up here.
const ROOT_BY_ADDRESS: &str = "\
CREATE USER root@'127.0.0.1';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
";

/// How a server differs from the usual one.
#[derive(Default)]
pub struct Options {
    arguments: Vec<String>,
    tls: Option<Until>,
}

impl Options {
    /// An option of mariadbd, such as `--wait-timeout=2`.
    pub fn argument(mut self, argument: &str) -> Options {
        self.arguments.push(argument.to_string());
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
pub struct MariaDb {
    process: Option<Process>,
    certificate: Option<Certificate>,
    arguments: Vec<String>,
    port: Port,
    databases: AtomicU32,
    user: User,
    folder: Folder,
}

impl MariaDb {
    /// The server that the tests of this process share. Each takes a `database()` of its own.
    pub fn shared() -> &'static MariaDb {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(|| MariaDb::start(Options::default()))
    }

    /// A new server. `root` comes in without a password.
    pub fn start(options: Options) -> MariaDb {
        let user = User::of_server("mysql", PACKAGE);
        let folder = Folder::new("mariadb", &user);
        let port = Port::claim();
        let data = format!("--datadir={}", folder.join("data").display());
        let mut install = match is_mysql() {
            true => {
                let mut install = command(&find("mysqld", PACKAGE), &user, folder.path());
                let user = folder.write("root.sql", ROOT_BY_ADDRESS);
                install.args(["--no-defaults", "--initialize-insecure"]);
                install.arg(format!("--init-file={}", user.display()));
                install
            }
            false => {
                let mut install = command(&find("mariadb-install-db", PACKAGE), &user, folder.path());
                install
                    .args(["--no-defaults", "--skip-name-resolve", "--skip-test-db"])
                    .arg("--auth-root-authentication-method=normal");
                install
            }
        };
        run(install.arg(&data), "")
            .unwrap_or_else(|error| panic!("cannot create a MariaDB database: {error}"));

        let mut arguments: Vec<String> = ARGUMENTS.map(String::from).to_vec();
        arguments.push(data);
        arguments.push(format!("--port={}", port.number()));
        let certificate = options.tls.map(|until| Certificate::make(&folder, &user, until));
        if let Some(made) = &certificate {
            arguments.push(format!("--ssl-cert={}", made.certificate.display()));
            arguments.push(format!("--ssl-key={}", made.key.display()));
            arguments.push(format!("--ssl-ca={}", made.authority.display()));
        }
        // MariaDB from 11.4 and MySQL make a certificate by themselves, unless they are told not to.
        if certificate.is_none() {
            arguments.push(if is_mysql() { "--tls-version=" } else { "--skip-ssl" }.to_owned());
        }
        if is_mysql() {
            // A trigger of a test counts in a table without transactions, which the order of replicas forbids.
            let no_replicas = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
            arguments.extend(no_replicas.map(String::from));
            let more = ["--secure-file-priv=NULL", "--mysqlx=OFF", "--cte-max-recursion-depth=2000000"];
            arguments.extend(more.map(String::from));
        }
        arguments.extend(options.arguments);
        let mut server = MariaDb {
            process: None,
            certificate,
            arguments,
            port,
            databases: AtomicU32::new(0),
            user,
            folder,
        };
        server.start_again();
        server
    }

    /// Starts it on its old port and data after `stop` or `kill`, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the MariaDB server runs already");
        let program = if is_mysql() { "mysqld" } else { "mariadbd" };
        let mut server = command(&find(program, PACKAGE), &self.user, self.folder.path());
        server.args(&self.arguments);
        let log = self.folder.join("server.log");
        let mut process = Process::start("the MariaDB server", &mut server, log);
        let url = self.url();
        process.wait_until_ready(|| query(&url, "SELECT 1").map(drop));
        self.process = Some(process);
    }

    /// Stops it in good order: connections are ended, everything is written down.
    pub fn stop(&mut self) {
        self.running("stop").stop("TERM");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.running("kill").kill();
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The database `mysql`, the only one in a new server, as `root`.
    pub fn url(&self) -> String {
        self.url_of("mysql")
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
        self.sql(&format!("CREATE DATABASE {name}"));
        self.url_of(&name)
    }

    /// Runs SQL as `root`, and panics when it fails.
    pub fn sql(&self, sql: &str) -> String {
        query(&self.url(), sql).unwrap_or_else(|error| panic!("cannot run `{sql}`: {error}"))
    }

    fn url_of(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port())
    }

    fn running(&mut self, to: &str) -> Process {
        let process = self.process.take();
        process.unwrap_or_else(|| panic!("cannot {to} the MariaDB server: it does not run"))
    }
}

/// Runs SQL through the client `mariadb`, each statement a transaction of its own. Returns the rows
/// as lines, the columns parted by tabs. The first error ends it. The url may end with options of
/// that client: `?ssl&ssl-ca=path`.
pub fn query(url: &str, sql: &str) -> Result<String, String> {
    let [user, password, host, port, database, options] = parts(url).unwrap_or_else(|| {
        panic!("cannot read the url `{url}`; it should be like mysql://user:password@host:port/database")
    });
    let program = if is_mysql() { find("mysql", "mysql-client") } else { find("mariadb", "mariadb-client") };
    let mut client = command(&program, &User::Own, watchdog::folder());
    client
        .args(["--no-defaults", "--protocol=tcp", "--batch", "--raw", "--skip-column-names"])
        .arg(format!("--user={user}"))
        .arg(format!("--password={password}"))
        .arg(format!("--host={host}"))
        .arg(format!("--port={port}"))
        .args(options.split_terminator('&').map(|option| match (is_mysql(), option) {
            (true, "ssl") => "--ssl-mode=REQUIRED".to_owned(),
            (true, "ssl-verify-server-cert") => "--ssl-mode=VERIFY_IDENTITY".to_owned(),
            _ => format!("--{option}"),
        }))
        .arg(database);
    run(&mut client, sql)
}

fn parts(url: &str) -> Option<[&str; 6]> {
    let (person, place) = url.strip_prefix("mysql://")?.split_once('@')?;
    let (user, password) = person.split_once(':').unwrap_or((person, ""));
    let (host, rest) = place.split_once(':')?;
    let (port, rest) = rest.split_once('/')?;
    let (database, options) = rest.split_once('?').unwrap_or((rest, ""));
    Some([user, password, host, port, database, options])
}
