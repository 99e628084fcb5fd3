//! `reproduce`: equal bytes are told from different ones, and a difference is located.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, git, run, xtask};

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "here"
triple = "x86_64-unknown-linux-gnu"
builder = "native"
runner = "ubuntu-24.04"
glibc-floor = "2.44"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["here"]
archive = "tar.gz"
include = ["LICENSE"]
sha256 = true

[package.smoke]
"#;

const MAIN: &str = r#"fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("tool v1.2.3"),
        _ => println!("built by {}", option_env!("WHO").unwrap_or("nobody in particular")),
    }
}
"#;

fn workspace(build: &str) -> Folder {
    let folder = Folder::new();
    folder.write("xtask.toml", &PLAN.replace("x86_64", std::env::consts::ARCH));
    folder.write(".gitignore", "/target/\n/dist/\n");
    folder.write("LICENSE", "do as you like\n");
    folder.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"tool\"]\nresolver = \"3\"\n[profile.release]\nstrip = true\n",
    );
    folder.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\n",
    );
    folder
        .write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.2.3\"\n");
    folder.write("tool/src/main.rs", MAIN);
    folder.write("tool/build.rs", build);
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "-A"]);
    git(folder.path(), &["commit", "-qm", "first"]);
    folder
}

/// The archive and its checksum file are as the plan says, and the same from a second build.
#[test]
fn a_commit_gives_the_same_archive_again_and_against_a_release() {
    let folder = workspace("fn main() {}");
    let ended = run(&mut xtask(folder.path(), &["reproduce"])).expect(0);
    assert!(ended.stdout.contains("tool-here.tar.gz: identical, sha256 "), "{}", ended.stdout);

    run(&mut xtask(folder.path(), &["dist"])).expect(0);
    let listed = run(std::process::Command::new("tar")
        .args(["-tvzf", "dist/tool-here.tar.gz"])
        .current_dir(folder.path()));
    let listed = listed.expect(0).stdout;
    assert!(
        listed.contains("-rw-r--r-- 0/0") && listed.contains(" tool-here/LICENSE\n"),
        "{listed}"
    );
    assert!(listed.contains("-rwxr-xr-x 0/0") && listed.ends_with(" tool-here/tool\n"), "{listed}");
    run(&mut xtask(folder.path(), &["smoke", "dist/tool-here.tar.gz", "--strict"])).expect(0);
    for file in ["checksums.txt", "tool-here.tar.gz.sha256"] {
        let mut sum = std::process::Command::new("sha256sum");
        run(sum.args(["-c", file]).current_dir(folder.join("dist"))).expect(0);
    }
    let ended = run(&mut xtask(folder.path(), &["reproduce", "--against", "dist"])).expect(0);
    assert!(ended.stdout.contains("identical"), "{}", ended.stdout);

    // A release of another commit cannot be given again by this one.
    git(folder.path(), &["commit", "-q", "--allow-empty", "-m", "second"]);
    run(&mut xtask(folder.path(), &["reproduce", "--against", "dist"]))
        .expect(2)
        .says(&["git checkout"]);
}

#[test]
fn a_planted_difference_is_located() {
    let folder = workspace(
        "fn main() { println!(\"cargo::rustc-env=WHO=the user {}\", std::env::var(\"USER\").unwrap()) }",
    );
    let ended = run(&mut xtask(folder.path(), &["reproduce"])).expect(1);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.contains("section .rodata"))
        .unwrap_or_default()
        .to_owned();
    assert!(line.contains("tool-here/tool: "), "{}", ended.stdout);
    assert!(line.contains("the user one") && line.contains("the user another"), "{}", ended.stdout);
}
