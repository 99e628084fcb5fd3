//! Whoever reads what is printed may be gone, and what is printed may find no room.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};

use common::{Folder, Tool, xtask};

/// What a shell sees of a program in a pipe that nobody reads (POSIX, `signal.h`).
const SIGPIPE: i32 = 13;

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "linux-amd64"
triple = "x86_64-unknown-linux-gnu"
builder = "native"
runner = "ubuntu-24.04"
glibc-floor = "2.41"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
targets = ["linux-amd64"]
"#;

fn workspace() -> Folder {
    let main = "fn main() {}\n";
    Tool { plan: PLAN, main, build: "", profile: "" }.workspace()
}

/// The writing end of a pipe that nobody reads.
fn unread() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

#[track_caller]
fn assert_ended_by_the_signal(command: &Command, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGPIPE), "{command:?}: {}\n{said}", output.status);
    assert!(!said.contains("panicked") && !said.contains("error"), "{command:?}: {said}");
}

#[test]
fn the_reader_of_the_output_is_gone() {
    let folder = workspace();
    let file = folder.write("file", "x");
    let file = file.to_str().unwrap();
    for args in [
        &["plan"][..],
        &["plan", "--json"],
        &["plan", "--matrix"],
        &["doctor"],
        &["doctor", "--json"],
        &["build", "--dry-run"],
        &["checksum", file],
        &["audit", file],
        &["audit", "--json", file],
        &["audit", "--list-rules"],
        &["audit-glibc", "--json", file],
    ] {
        let mut command = xtask(folder.path(), args);
        let output = command.stdout(unread()).stderr(Stdio::piped()).output().unwrap();
        assert_ended_by_the_signal(&command, &output);
    }
}

#[test]
fn the_reader_of_errors_is_gone() {
    let folder = workspace();
    let mut command = xtask(folder.path(), &["checksum", "missing"]);
    let output = command.stdout(Stdio::piped()).stderr(unread()).output().unwrap();
    assert_ended_by_the_signal(&command, &output);
}

#[cfg(target_os = "linux")]
#[test]
fn there_is_no_room_for_the_output() {
    let folder = workspace();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = xtask(folder.path(), &["plan", "--json"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot write standard output"), "{said}");
}
