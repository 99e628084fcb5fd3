//! Targets other than the host's: glibc floors run and looked up, arm64 under qemu, macOS through zig and
//! our signer. Needs root, Debian's rustc-web, cargo-web, rust-web-src, qemu-user-static,
//! libc6-arm64-cross, docker.io, mmdebstrap and binutils.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Folder, git, repository, run, xtask};

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "gnu"
triple = "x86_64-unknown-linux-gnu"
builder = "zig"
runner = "ubuntu-24.04"
glibc-floor = "2.17"

[[target]]
platform = "arm"
triple = "aarch64-unknown-linux-gnu"
builder = "zig"
runner = "ubuntu-24.04-arm"
glibc-floor = "2.17"

[[target]]
platform = "mac"
triple = "aarch64-apple-darwin"
builder = "native"
runner = "macos-15"
macos-min = "11.0"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["gnu", "arm", "mac"]

[package.smoke]
"#;

/// Threads and files: what std does with new symbols of glibc where there are any.
const MAIN: &str = r#"fn main() {
    let thread = std::thread::spawn(|| std::fs::metadata("/").map(|meta| meta.is_dir()));
    assert!(matches!(thread.join(), Ok(Ok(true))));
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("tool v1.2.3"),
        _ => println!("usage"),
    }
}
"#;

/// `strip` as in a profile: for macOS it takes rust-objcopy, which Debian's Rust lacks; for Linux, what is
/// not stripped tells in which folder zig first built its start files.
fn workspace(strip: &str) -> Folder {
    let folder = Folder::new();
    folder.write("xtask.toml", PLAN);
    folder.write(".gitignore", "/target/\n/dist/\n");
    let profile = format!("[profile.release]\npanic = \"abort\"\nstrip = \"{strip}\"\n");
    folder.write(
        "Cargo.toml",
        &format!("[workspace]\nmembers = [\"tool\"]\nresolver = \"3\"\n{profile}"),
    );
    folder.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\n",
    );
    folder
        .write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.2.3\"\n");
    folder.write("tool/src/main.rs", MAIN);
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "-A"]);
    git(folder.path(), &["commit", "-qm", "first"]);
    folder
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("images")
}

fn script(name: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = Command::new(repository().join("xtask/tests/images").join(name));
    let ended = run(command.args(args).envs(env.iter().copied()));
    assert_eq!(
        ended.code,
        Some(0),
        "{name} {args:?} needs root and Debian packages:\n{}",
        ended.stderr
    );
    ended.stdout.trim().to_owned()
}

/// A PATH whose rustc also builds for another target.
fn path_with(triple: &str) -> String {
    let out = cache().join(format!("rust-{triple}"));
    script("cross-rust.sh", &[triple, out.to_str().unwrap()], &[]);
    format!("{}/bin:{}", out.display(), std::env::var("PATH").unwrap())
}

fn manifest(folder: &Folder) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join("dist/manifest.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["assets"][0].clone()
}

/// glibc 2.31 and 2.36 are run; 2.17 and 2.28 are looked up, and the row says so.
#[test]
fn a_floor_is_kept_at_every_version() {
    let docker = cache().join("docker");
    let host = script("dockerd.sh", &[docker.to_str().unwrap()], &[]);
    let images = ["docker", cache().to_str().unwrap(), "bullseye", "bookworm"].map(str::to_owned);
    script("load.sh", &images.each_ref().map(String::as_str), &[("DOCKER_HOST", &host)]);
    let folder = workspace("symbols");
    for floor in ["2.17", "2.28", "2.31"] {
        let mut dist = xtask(folder.path(), &["dist", "--target", "gnu", "--floor", floor]);
        dist.args(["--userland", "xtask-test/bullseye", "--userland", "xtask-test/bookworm"]);
        run(dist.env("DOCKER_HOST", &host)).expect(0);
        let asset = manifest(&folder);
        assert_eq!(asset["glibc"]["promised"], floor);
        let rows = asset["smoke"].as_array().unwrap();
        let of = |how: &str| rows.iter().filter(|row| row["how"] == how).collect::<Vec<_>>();
        assert_eq!((of("native").len(), of("container").len()), (2, 4), "{asset}");
        let table = of("by table");
        assert_eq!(table.len(), 1, "{asset}");
        let wanted = format!("symbols, all in glibc {floor}");
        assert!(table[0]["detail"].as_str().unwrap().ends_with(&wanted), "{asset}");

        // Judged by another reader too.
        let read =
            run(Command::new("readelf").args(["-V", "--wide"]).arg(folder.join("dist/tool-gnu")))
                .expect(0);
        let versions = read.stdout.match_indices("GLIBC_2.").map(|(at, _)| {
            let digits: String =
                read.stdout[at + 8..].chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().unwrap()
        });
        let floor: u32 = floor.trim_start_matches("2.").parse().unwrap();
        assert!(versions.max().unwrap() <= floor, "{}", read.stdout);
    }
    run(&mut xtask(folder.path(), &["dist", "--target", "gnu", "--floor", "2.16"]))
        .expect(2)
        .says(&["--floor: "]);
}

#[test]
fn arm64_is_built_audited_and_run_emulated() {
    let folder = workspace("symbols");
    let path = path_with("aarch64-unknown-linux-gnu");
    run(xtask(folder.path(), &["dist", "--target", "arm"]).env("PATH", &path)).expect(0);
    let asset = manifest(&folder);
    let how: Vec<_> =
        asset["smoke"].as_array().unwrap().iter().map(|row| row["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["emulated", "emulated", "by table"], "{asset}");
    let told = run(Command::new("file").arg(folder.join("dist/tool-arm"))).expect(0).stdout;
    assert!(told.contains("ARM aarch64"), "{told}");
}

#[test]
fn macos_is_built_by_zig_signed_and_verified() {
    let folder = workspace("none");
    let path = path_with("aarch64-apple-darwin");
    run(xtask(folder.path(), &["dist", "--target", "mac"]).env("PATH", &path)).expect(0);
    let asset = manifest(&folder);
    assert_eq!(asset["builder"]["kind"], "zig");
    assert_eq!(asset["findings"].as_array().unwrap().len(), 0, "{asset}");
    assert_eq!(asset["smoke"][0]["outcome"], "not-run", "{asset}");
    run(&mut xtask(folder.path(), &["codesign", "--verify", "dist/tool-mac"])).expect(0);
    let told = run(Command::new("file").arg(folder.join("dist/tool-mac"))).expect(0).stdout;
    assert!(told.contains("Mach-O 64-bit arm64 executable"), "{told}");
    // Nobody on this machine can run it: under --strict that is a failure, by name.
    git(folder.path(), &["status", "--short"]);
    let mut strict = xtask(folder.path(), &["dist", "--target", "mac", "--strict"]);
    run(strict.env("PATH", &path))
        .expect(1)
        .says(&["smoke version was not run", "run it on macos-15"]);
}

#[test]
fn a_missing_std_is_named_with_both_ways_out() {
    let folder = workspace("none");
    run(&mut xtask(folder.path(), &["dist", "--target", "mac"])).expect(3).says(&[
        "standard library for aarch64-apple-darwin is not installed",
        "rustup target add aarch64-apple-darwin; or build on macos-15",
    ]);
}
