//! `examples/fourth_driver` runs its jobs and keeps the contract.

use std::path::Path;
use std::process::Command;

use craft_queue::conformance::Subject;
use craft_queue::driver::{Backend, Notifier};

use self::fourth_driver::Folder;

#[allow(dead_code, reason = "its main is run by itself")]
#[path = "../../examples/fourth_driver.rs"]
mod fourth_driver;

/// Folders of their own for all checks of this process.
static FOLDER: std::sync::LazyLock<tempfile::TempDir> =
    std::sync::LazyLock::new(|| tempfile::tempdir().unwrap());

fn subject() -> Subject {
    let mut subject = Subject::new(|| Folder(FOLDER.path().join(&*craft_queue::new_uuid())));
    subject.can.replace = false;
    subject.can.sizes = false;
    subject
}

craft_queue::conformance_tests!(subject());

/// It has the required verbs alone, and the sender of a message must not believe that workers read it.
#[test]
fn a_driver_without_control_refuses_messages() {
    let mut driver = Folder(FOLDER.path().join("control")).open(Notifier::silent()).unwrap();
    let error = driver.control().err().unwrap();
    assert!(error.is_unsupported());
    assert_eq!(error.help(), Some("stop the workers by themselves, with SIGTERM or systemctl"));
}

#[test]
fn the_fourth_driver_runs_jobs() {
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.parent().and_then(Path::parent).expect("it lies in target/debug/deps");
    let example = built.join("examples/fourth_driver").with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(example).output().expect("cargo build --examples");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("3 done, 0 failed"), "{said}");
}
