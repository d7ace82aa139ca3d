//! `[connections.*]`: a database, from a URL or its parts.

pub(crate) mod hosts;
pub(crate) mod tls;
pub(crate) mod url;

use std::fmt;
use std::path::{Path, PathBuf};

use self::tls::Tls;
use self::url::Url;
use super::diagnostics::ValueError;
use super::schema::{Choice, Field, ValueType, value_types};
use crate::error::Result;

/// `[connections.*]`: a database.
///
/// It is printed without its password:
///
/// ```
/// use craft_queue::Connection;
///
/// let connection = Connection::from_url("mysql://shop:secret@db.example/shop")?;
/// assert_eq!(connection.to_string(), "mysql://shop:***@db.example/shop");
/// # Ok::<(), craft_queue::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Connection {
    /// A file.
    Sqlite {
        /// Its path. A relative one in a file starts at the folder of that file; in `DATABASE_URL`, in a
        /// program, and where there is no file, at the current folder.
        database: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://…`, password included.
        url: String,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// `mysql://…`, password included.
        url: String,
    },
}

impl Connection {
    /// Reads a URL: `sqlite:path`, `postgres://user:password@host:port/database` (or `postgresql://`),
    /// `mysql://…` (or `mariadb://`). A password may hold `@`, `:` and `/` as they are.
    ///
    /// A server may have several hosts, with commas between, each with a port of its own or without: the first of them
    /// that answers and lets write is used. PostgreSQL's `target_session_attrs=any` takes also one that does not.
    ///
    /// A server's URL may end with `?sslmode=` and `disable`, `prefer` (the default), `require` or
    /// `verify-full`, and then with `&sslrootcert=` and the file of the authority to trust; `&sslcert=` and
    /// `&sslkey=` are the files of a certificate to show to the server. TLS needs the feature `tls`.
    ///
    /// # Errors
    /// It is no such URL. The message does not show it.
    pub fn from_url(url: &str) -> Result<Self> {
        Self::read_url(url).map_err(|wrong| wrong.at("connection"))
    }

    /// What `driver` says in queue.toml: `sqlite`, `postgres` or `mysql`.
    pub fn driver(&self) -> &'static str {
        self.kind().name()
    }

    pub(crate) fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite { .. } => DatabaseKind::Sqlite,
            Self::Postgres { .. } => DatabaseKind::Postgres,
            Self::Mysql { .. } => DatabaseKind::Mysql,
        }
    }

    /// Makes a relative path start at this folder: that of an SQLite file, or of a certificate.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if folder.as_os_str().is_empty() {
            return;
        }
        match self {
            Self::Sqlite { database } => *database = folder.join(&database),
            Self::Postgres { url } | Self::Mysql { url } => {
                if let Ok(mut parsed) = Url::parse(url) {
                    tls::resolve(&mut parsed, folder);
                    *url = parsed.to_string();
                }
            }
        }
    }

    pub(crate) fn read_url(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite_url(path.strip_prefix("//").unwrap_or(path));
        }
        let scheme = url::shown_scheme(text);
        match scheme.as_deref().and_then(DatabaseKind::named) {
            Some(kind @ (DatabaseKind::Postgres | DatabaseKind::Mysql)) => server(kind, Url::parse(text)?),
            Some(DatabaseKind::Sqlite) | None => {
                let found = scheme.map_or("none".into(), |scheme| format!("\"{scheme}://\""));
                Err(ValueError::new(format!(
                    "expected a URL that starts with sqlite:, postgres:// or mysql://, found {found}"
                )))
            }
        }
    }
}

/// The databases of the database driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
    Mysql,
}

impl Choice for DatabaseKind {
    const EXPECTED: &'static str = "\"sqlite\", \"postgres\" or \"mysql\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sqlite", Self::Sqlite),
        ("postgres", Self::Postgres),
        ("postgresql", Self::Postgres),
        ("mysql", Self::Mysql),
        ("mariadb", Self::Mysql),
    ];
}

/// Refuses a database in memory: each process would open another one.
fn sqlite_file(path: String) -> Result<Connection, ValueError> {
    if path.is_empty() {
        return Err(ValueError::new("the path of the SQLite file is empty"));
    }
    if path == ":memory:" || path.starts_with("file:") {
        return Err(ValueError::new("jobs in SQLite need a file that every process can open, by its path")
            .with_help("name a file; for jobs in memory there is the driver async"));
    }
    Ok(Connection::Sqlite { database: path.into() })
}

fn sqlite_url(rest: &str) -> Result<Connection, ValueError> {
    match rest.split_once('?') {
        None => sqlite_file(url::decode(rest)?),
        // Other libraries need this option; here it is always on.
        Some((path, "mode=rwc")) => sqlite_file(url::decode(path)?),
        Some(_) => Err(ValueError::new("a SQLite URL takes no options but mode=rwc")
            .with_help("a \"?\" in the file's name is written as %3F")),
    }
}

fn server(kind: DatabaseKind, mut url: Url) -> Result<Connection, ValueError> {
    url.scheme = kind.name().into();
    let names_host = url.query.as_deref().is_some_and(|query| query.contains("host="));
    if url.host.is_empty() && !names_host {
        return Err(ValueError::new("the URL names no host"));
    }
    tls::take(&mut url.clone())?.check().map_err(|(_, wrong)| wrong)?;
    if kind == DatabaseKind::Postgres {
        return Ok(Connection::Postgres { url: url.to_string() });
    }
    if url.path.is_empty() {
        return Err(
            ValueError::new("the URL names no database").with_help("mysql://user:password@host/database")
        );
    }
    Ok(Connection::Mysql { url: url.to_string() })
}

/// For people: an SQLite file's path, or a server's URL with the password masked.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { database } => write!(f, "{}", database.display()),
            Self::Postgres { url } | Self::Mysql { url } => match Url::parse(url) {
                Ok(url) => f.write_str(&url.masked()),
                // A program set other text; it may hold a password anywhere.
                Err(_) => write!(f, "{}://***", self.driver()),
            },
        }
    }
}

/// Masks the password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({self})")
    }
}

/// The keys of a connection in queue.toml.
#[derive(Default)]
pub(crate) struct Parts {
    url: Option<String>,
    driver: Option<DatabaseKind>,
    database: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    username: Option<String>,
    password: Option<String>,
    tls: Tls,
}

impl Parts {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { url, driver, database, host, port, username, password, tls } = self;
        let mut fields = vec![
            Field::optional("url", url, value_types::URL),
            Field::optional("driver", driver, ValueType::choice()),
            Field::optional("database", database, value_types::DATABASE),
            Field::optional("host", host, value_types::HOST),
            Field::optional("port", port, value_types::PORT),
            Field::optional("username", username, value_types::WORD),
            Field::optional("password", password, value_types::PASSWORD),
        ];
        fields.extend(tls.fields());
        fields
    }

    /// The connection, or the key that is wrong ("" for the whole section) and why.
    pub(crate) fn connection(mut self) -> Result<Connection, (&'static str, ValueError)> {
        let parts = self.fields().into_iter().filter(|field| field.name != "url");
        let part = parts.filter(|field| field.show().is_some()).map(|field| field.name).next();
        match (self.url.take(), part) {
            (Some(url), None) => Connection::read_url(&url).map_err(|wrong| ("url", wrong)),
            (Some(_), Some(part)) => Err((
                part,
                ValueError::new("the connection has a url already").with_help("write the url or its parts"),
            )),
            (None, _) => self.put_together(),
        }
    }

    fn put_together(self) -> Result<Connection, (&'static str, ValueError)> {
        let missing = |what| ("", ValueError::new(format!("{what} is missing")).with_help(EXAMPLE));
        let driver = self.driver.ok_or_else(|| missing("url or driver"))?;
        let database = self.database.ok_or_else(|| missing("database"))?;
        if driver == DatabaseKind::Sqlite {
            let given = [
                ("host", self.host.is_some()),
                ("port", self.port.is_some()),
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
                ("sslmode", self.tls.mode.is_some()),
                ("sslrootcert", self.tls.authorities.is_some()),
                ("sslcert", self.tls.certificate.is_some()),
                ("sslkey", self.tls.key.is_some()),
            ];
            if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                return Err((
                    key,
                    ValueError::new("a SQLite connection has only a database, the path of its file"),
                ));
            }
            return sqlite_file(database).map_err(|wrong| ("database", wrong));
        }
        self.tls.check()?;
        let url = Url {
            query: self.tls.to_query(),
            username: self.username,
            password: self.password,
            host: hosts::host_in_url(self.host.as_deref().unwrap_or("localhost"), self.port),
            path: url::encode(&database),
            ..Url::default()
        };
        server(driver, url).map_err(|wrong| ("", wrong))
    }
}

const EXAMPLE: &str = "write url = \"mysql://user:password@host/database\", or driver = \"sqlite\" and database = \"database.sqlite3\"";
