//! The server's example: archives for Linux and Windows, the release's text from the changelog, and the whole
//! release rehearsed. Needs what `cargo xtask ci --only tools` installs: wine and Debian's Rust for Windows.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{commit, edit, manifest, repository, run, sayna as project, smoke, xtask};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_programs_own_tests_pass() {
    let mut test = Command::new("cargo");
    test.args(["test", "--locked"]).current_dir(repository().join("examples/sayna"));
    for (name, _) in std::env::vars_os() {
        // The toolchain is the example's own.
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST")
            || text == "RUSTUP_TOOLCHAIN"
        {
            test.env_remove(name);
        }
    }
    let said = run(&mut test).expect(0).stdout;
    assert!(said.contains("it_answers_and_ends_when_asked ... ok"), "{said}");
}

/// The archive as a user has it: unpacked, checked, its sample configuration read, the server started.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_archive_holds_all_that_a_server_needs() {
    let folder = project();
    run(&mut xtask(folder.path(), &["dist", "--strict", "--target", "linux-amd64"])).expect(0);
    let dist = folder.join("dist");
    let stem = "sayna-0.2.0-x86_64-unknown-linux-gnu";
    let archive = format!("{stem}.tar.gz");
    let digest = format!("{archive}.sha256");
    assert_eq!(names(&dist), ["checksums.txt", "manifest.json", &*archive, &*digest]);
    for sums in ["checksums.txt", &*digest] {
        run(Command::new("sha256sum").args(["--strict", "-c", sums]).current_dir(&dist)).expect(0);
    }
    run(Command::new("tar").args(["-xzf", &archive]).current_dir(&dist)).expect(0);
    let unpacked = dist.join(stem);
    assert_eq!(names(&unpacked), ["LICENSE", "README.md", "sayna", "sayna.example.conf"]);

    let program = unpacked.join("sayna");
    let mut server = Command::new(&program)
        .args(["--config", "sayna.example.conf", "--listen", "127.0.0.1:0"])
        .current_dir(&unpacked)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let probe = run(Command::new(&program).args(["--probe", address]).env_clear());
    assert!(common::signal("TERM", &server.id().to_string()));
    assert_eq!(server.wait().unwrap().code(), Some(0));
    probe.expect(0);

    // What is to be packed and is not there is told; nothing is left to be taken for a result.
    fs::remove_file(folder.join("sayna.example.conf")).unwrap();
    run(&mut xtask(folder.path(), &["dist", "--target", "linux-amd64"]))
        .expect(3)
        .says(&["sayna.example.conf", "`include`"]);
    assert!(!dist.join("manifest.json").exists());
}

/// MSVC's linker runs on Windows alone: the same package for the other Windows triple.
#[cfg(target_arch = "x86_64")]
#[test]
fn windows_gets_a_zip_and_its_program_runs() {
    let folder = project();
    let plan = folder.join("xtask.toml");
    edit(
        &plan,
        "triple = \"x86_64-pc-windows-msvc\"\nbuilder = \"native\"",
        "triple = \"x86_64-pc-windows-gnu\"\nbuilder = \"zig\"",
    );
    commit(&folder);
    let prefix = common::cache().join("wine");
    common::script("wine.sh", &[prefix.to_str().unwrap()], &[]);
    let mut dist = xtask(folder.path(), &["dist", "--strict", "--target", "windows-amd64"]);
    dist.env("PATH", common::path_with("x86_64-pc-windows-gnu")).env("WINEPREFIX", &prefix);
    run(&mut dist).expect(0);
    let out = folder.join("dist");
    let asset = &manifest(&out)["assets"][0];
    let stem = "sayna-0.2.0-x86_64-pc-windows-gnu";
    assert_eq!(asset["name"], format!("{stem}.zip"));
    let row = ("wine".to_owned(), "passed".to_owned());
    assert_eq!(smoke(asset), [row.clone(), row], "{asset}");
    assert_eq!(asset["findings"].as_array().unwrap().len(), 0, "{asset}");
    let mut unzip = Command::new("unzip");
    let listed = run(unzip.args(["-Z1", &format!("{stem}.zip")]).current_dir(&out)).expect(0);
    let wanted = ["LICENSE", "README.md", "sayna.example.conf", "sayna.exe"];
    assert_eq!(listed.stdout, wanted.map(|name| format!("{stem}/{name}\n")).concat());
    run(Command::new("sha256sum")
        .args(["--strict", "-c", &format!("{stem}.zip.sha256")])
        .current_dir(&out))
    .expect(0);
}

/// The text of the release is the changelog's section of its version, and there must be one.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_release_is_rehearsed_and_says_what_changed() {
    let folder = project();
    let kept = folder.join("target/kept");
    let rehearse = ["rehearse", "--keep", kept.to_str().unwrap()];
    let said = run(&mut xtask(folder.path(), &rehearse)).expect(0).stdout;
    assert!(said.contains("rehearsed v0.2.0 for linux-amd64"), "{said}");
    assert!(said.contains("  the image sayna: `cargo xtask image`"), "{said}");
    let released = kept.join("releases/releases/v0.2.0");
    let archive = "sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz";
    let digest = format!("{archive}.sha256");
    assert_eq!(
        names(&released.join("assets")),
        ["checksums.txt", "manifest.json", "provenance.json", archive, &*digest, "sayna.cdx.json"]
    );
    let text = fs::read_to_string(released.join("release.json")).unwrap();
    let release: serde_json::Value = serde_json::from_str(&text).unwrap();
    let body = release["body"].as_str().unwrap();
    assert!(body.starts_with("### Added\n\n- `--check` reads a configuration"), "{body}");
    assert!(!body.contains("answers HEAD"), "the text of an older version: {body}");

    edit(&folder.join("CHANGELOG.md"), "## [0.2.0]", "## [0.3.0]");
    commit(&folder);
    let draft = ["draft", "--forge", "dir:target/forge", "--tag", "v0.2.0", "--execute"];
    common::git(folder.path(), &["tag", "v0.2.0"]);
    run(&mut xtask(folder.path(), &draft))
        .expect(2)
        .says(&["no release notes for v0.2.0", "write a section `## [0.2.0]`"]);
}

#[test]
fn the_images_are_a_matrix_of_their_own() {
    let folder = project();
    let output = folder.join("output");
    run(xtask(folder.path(), &["plan", "--matrix"]).env("GITHUB_OUTPUT", &output)).expect(0);
    let said = fs::read_to_string(output).unwrap();
    let images = said.lines().find_map(|line| line.strip_prefix("images=")).unwrap();
    let images: serde_json::Value = serde_json::from_str(images).unwrap();
    let platforms: Vec<_> =
        images["include"].as_array().unwrap().iter().map(|row| &row["platform"]).collect();
    assert_eq!(platforms, ["linux-amd64", "linux-arm64"]);
}
