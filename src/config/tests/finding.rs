//! Where queue.toml is found.

use std::fs;

use super::super::load::{load, load_from};
use super::*;

/// A folder of its own for a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("craft-config-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("config")).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Config> {
        load(&self.0, &Environment(&environment(variables)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_named_file_then_queue_toml_then_config_queue_toml_then_none() {
    let folder = Folder::new("places");
    assert_eq!(folder.load(&[]).unwrap().default, "database");
    folder.write("config/queue.toml", "default = 'second'");
    assert_eq!(folder.load(&[]).unwrap().default, "second");
    folder.write("queue.toml", "default = 'first'");
    assert_eq!(folder.load(&[]).unwrap().default, "first");
    folder.write("own.toml", "default = 'named'");
    let own = folder.path("own.toml");
    assert_eq!(folder.load(&[("CRAFT_CONFIG", &own)]).unwrap().default, "named");
    assert_eq!(folder.load(&[("CRAFT_CONFIG", ""), ("CRAFT_DRIVER", "x")]).unwrap().default, "x");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new("unreadable");
    let missing = folder.path("missing.toml");
    let expected = format!("cannot read {missing}: No such file or directory (os error 2)");
    let error = folder.load(&[("CRAFT_CONFIG", &missing)]).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.help(), Some("the variable CRAFT_CONFIG names this file"));
    let error = Config::load_from(&missing).unwrap_err();
    assert_eq!((error.to_string(), error.is_config()), (expected, true));

    fs::write(folder.0.join("queue.toml"), [0xff]).unwrap();
    let expected = format!("cannot read {}: stream did not contain valid UTF-8", folder.path("queue.toml"));
    assert_eq!(folder.load(&[]).unwrap_err().to_string(), expected);
}

#[test]
fn files_are_called_in_messages_as_they_were_named() {
    let folder = Folder::new("named");
    folder.write("queue.toml", "x = 1");
    let expected = format!("  --> {}:1:1", folder.path("queue.toml"));
    assert!(folder.load(&[]).unwrap_err().to_string().contains(&expected));
    let error = Config::parse("x = 1", "./queue.toml", |_| None).unwrap_err();
    assert!(error.to_string().contains("  --> queue.toml:1:1\n"), "{error}");
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let folder = Folder::new("paths");
    folder.write(
        "config/queue.toml",
        "[connections.a]\nurl = 'sqlite:a.db'\n[connections.b]\nurl = 'postgres://h/db?sslmode=verify-full&sslrootcert=ca.pem'\n\
         [connections.c]\ndriver = 'mysql'\ndatabase = 'd'\nsslmode = 'verify-full'\nsslrootcert = '/etc/ca.pem'\n\
         [jobs.A]\ncommand = ['bin/a']\ncwd = 'x'",
    );
    let url = "sqlite:here.db";
    let config = load_from(
        &folder.0.join("config/queue.toml"),
        &Environment(&environment(&[("DATABASE_URL", url), ("CRAFT_CONNECTION", "sqlite")])),
    )
    .unwrap();
    assert_eq!(config.commands["A"].command, [folder.path("config/bin/a")]);
    assert_eq!(config.commands["A"].cwd, Some(folder.0.join("config/x")));
    let sqlite = |path: PathBuf| Connection::Sqlite { database: path };
    assert_eq!(config.connections["a"], sqlite(folder.0.join("config/a.db")));
    let file = super::super::connection::url::encode(&folder.path("config/ca.pem"));
    let Connection::Postgres { url } = &config.connections["b"] else { panic!("{config:?}") };
    assert_eq!(*url, format!("postgres://h/db?sslmode=verify-full&sslrootcert={file}"));
    let Connection::Mysql { url } = &config.connections["c"] else { panic!("{config:?}") };
    assert!(url.ends_with("&sslrootcert=%2Fetc%2Fca.pem"), "{url}");
    assert_eq!(config.folder(), folder.0.join("config"));
    // What the environment says starts where the shell is.
    assert_eq!(config.connections["sqlite"], sqlite("here.db".into()));

    folder.write("queue.toml", "default = 'async'");
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.connections["sqlite"], sqlite(folder.0.join("database.sqlite3")));
    assert_eq!(
        entry(&config, "connections.sqlite"),
        format!("{} (built in)", folder.path("database.sqlite3"))
    );
    for name in ["queue.toml", "./queue.toml"] {
        let config = Config::parse("[connections.a]\nurl = 'sqlite:a.db'", name, |_| None).unwrap();
        assert_eq!(config.connections["a"], sqlite("a.db".into()), "as it is written, in the working folder");
    }
}
