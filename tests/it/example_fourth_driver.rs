//! `examples/fourth_driver` runs its jobs and keeps the contract.

use std::path::Path;
use std::process::Command;

#[test]
fn the_fourth_driver_runs_jobs_and_keeps_the_contract() {
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.parent().and_then(Path::parent).expect("it lies in target/debug/deps");
    let example = built.join("examples/fourth_driver").with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(example).output().expect("cargo build --features conformance --examples");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("3 done, 0 failed"), "{said}");
    assert!(said.contains("It keeps the contract."), "{said}");
}
