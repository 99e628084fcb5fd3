//! `reproduce`: equal bytes are told from different ones, and a difference is located.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, Tool, git, run, xtask};

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
    let plan = PLAN.replace("x86_64", std::env::consts::ARCH);
    Tool { plan: &plan, main: MAIN, build, profile: "strip = true" }.workspace()
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
        "fn main() {
            let id = std::process::Command::new(\"id\").arg(\"-u\").output().unwrap().stdout;
            let id = String::from_utf8(id).unwrap();
            println!(\"cargo::rustc-env=WHO=the user {}, number {}\", std::env::var(\"USER\").unwrap(), id.trim());
        }",
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
    // Root builds a second time as nobody: by number, not by name alone.
    let root = run(std::process::Command::new("id").arg("-u")).stdout.trim() == "0";
    assert_eq!(line.contains("the user another, number 65534"), root, "{line}\n{}", ended.stderr);
}
