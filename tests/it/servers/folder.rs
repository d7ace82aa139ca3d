//! A temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::programs::User;
use super::watchdog;

/// A folder that is removed when it is dropped, or else when the test process ends.
pub struct Folder {
    path: PathBuf,
    user: User,
}

impl Folder {
    /// A new folder that belongs to `user`.
    pub fn new(name: &str, user: &User) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = watchdog::folder().join(format!("{name}-{number}"));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot create `{}`: {error}", path.display()));
        let folder = Folder { path, user: user.clone() };
        // Keys and cookies in it are refused when others could read them.
        folder.give_to_user(&folder.path, 0o700);
        folder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that only the user of the folder may read, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
        self.give_to_user(&path, 0o600);
        path
    }

    fn give_to_user(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .and_then(|()| match self.user {
                User::Own => Ok(()),
                User::System { uid, gid, .. } => chown(path, Some(uid), Some(gid)),
            })
            .unwrap_or_else(|error| panic!("cannot give away `{}`: {error}", path.display()));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Not worth a panic: what cannot be removed now goes when the test process ends.
        let _ = fs::remove_dir_all(&self.path);
    }
}
