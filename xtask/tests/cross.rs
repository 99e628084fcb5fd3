//! Targets other than the host's: glibc floors run and looked up, arm64 under qemu, macOS through zig and
//! our signer. Needs root, Debian's rustc-web, cargo-web, rust-web-src, qemu-user-static,
//! libc6-arm64-cross, docker.io, mmdebstrap and binutils.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::process::Command;

use common::{
    Folder, Tool, cache, commit, docker, git, manifest, path_with, repository, run, script, smoke,
    xtask,
};
use serde_json::Value;

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

/// `strip` as in a profile: for Linux, what is not stripped tells in which folder zig first built its start
/// files.
fn workspace(strip: &str) -> Folder {
    let profile = format!("panic = \"abort\"\nstrip = \"{strip}\"");
    Tool { plan: PLAN, main: MAIN, build: "", profile: &profile }.workspace()
}

fn asset(folder: &Folder) -> Value {
    manifest(&folder.join("dist"))["assets"][0].clone()
}

/// glibc 2.31 and 2.36 are run; 2.17 and 2.28 are looked up, and the row says so.
#[test]
fn a_floor_is_kept_at_every_version() {
    let host = docker(&["bullseye", "bookworm"]);
    let folder = workspace("symbols");
    for floor in ["2.17", "2.28", "2.31"] {
        let mut dist = xtask(folder.path(), &["dist", "--target", "gnu", "--floor", floor]);
        dist.args(["--userland", "xtask-test/bullseye", "--userland", "xtask-test/bookworm"]);
        run(dist.env("DOCKER_HOST", &host)).expect(0);
        let asset = asset(&folder);
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
    let asset = asset(&folder);
    let row = |how: &str| (how.to_owned(), "passed".to_owned());
    assert_eq!(smoke(&asset), [row("emulated"), row("emulated"), row("by table")], "{asset}");
    let told = run(Command::new("file").arg(folder.join("dist/tool-arm"))).expect(0).stdout;
    assert!(told.contains("ARM aarch64"), "{told}");
}

/// The helper for musl on arm64, built by zig: it loads a library of musl where there is nothing but musl's
/// loader, emulated.
#[test]
fn arm64_musl_is_built_by_zig_and_loads_a_library_emulated() {
    let repository = repository();
    let own = fs::read_to_string(repository.join("xtask.toml")).unwrap();
    let policy = own.split_once("[package.smoke]").unwrap().1;
    let folder = Folder::new();
    let plan = format!(
        "[release]\nrepository = \"owner/tool\"\n\n[[target]]\nplatform = \"musl\"\n\
         triple = \"aarch64-unknown-linux-musl\"\nbuilder = \"zig\"\nrunner = \"ubuntu-24.04-arm\"\n\n\
         [[package]]\nname = \"tsuku-dltest\"\nkind = \"rust\"\npath = {:?}\ntargets = [\"musl\"]\n\n\
         [package.smoke]{policy}",
        repository.join("tsuku-dltest")
    );
    folder.write("xtask.toml", &plan);
    folder.write(".gitignore", "/dist/\n");
    commit(&folder);
    let path = path_with("aarch64-unknown-linux-musl");
    let userland = cache().join("musl-arm64");
    script("musl-arm64.sh", &[userland.to_str().unwrap()], &[]);
    let dist = ["dist", "--target", "musl", "--strict"];
    let mut dist = xtask(folder.path(), &dist);
    run(dist.env("PATH", &path).env("QEMU_LD_PREFIX", &userland)).expect(0);
    let asset = asset(&folder);
    let row = ("emulated".to_owned(), "passed".to_owned());
    assert_eq!(smoke(&asset), vec![row; 4], "{asset}");
    assert_eq!(asset["smoke"][3]["check"], "dlopen");
    let read = run(Command::new("readelf")
        .args(["--dynamic", "--file-header", "--wide"])
        .arg(folder.join("dist/tsuku-dltest-musl")))
    .expect(0)
    .stdout;
    let needed: Vec<_> = read.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert!(read.contains("AArch64"), "{read}");
    assert!(matches!(needed[..], [libc] if libc.contains("[libc.so]")), "{read}");
}

#[test]
fn macos_is_built_by_zig_signed_and_verified() {
    let folder = workspace("symbols");
    let path = path_with("aarch64-apple-darwin");
    run(xtask(folder.path(), &["dist", "--target", "mac"]).env("PATH", &path)).expect(0);
    let asset = asset(&folder);
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

/// The example's pair, for both kinds of Mac: the helper through strip, sign, verify and audit, and the Go
/// program that holds its digest.
#[test]
fn the_pair_is_built_for_both_macs() {
    let example = repository().join("examples/tsuku");
    let folder = Folder::new();
    for (triple, platform, arch) in [
        ("aarch64-apple-darwin", "darwin-arm64", "arm64"),
        ("x86_64-apple-darwin", "darwin-amd64", "x86_64"),
    ] {
        let out = folder.join(platform);
        let args = ["dist", "--target", platform, "--out", out.to_str().unwrap()];
        run(xtask(&example, &args).env("PATH", path_with(triple))).expect(0);
        let assets = manifest(&out)["assets"].as_array().unwrap().clone();
        let helper = assets[0]["sha256"].as_str().unwrap();
        assert_eq!(assets.len(), 2);
        for (asset, kind) in assets.iter().zip(["zig", "go"]) {
            let name = asset["name"].as_str().unwrap();
            assert_eq!(asset["builder"]["kind"], kind);
            assert_eq!(asset["findings"].as_array().unwrap().len(), 0, "{asset}");
            let program = out.join(name);
            let verify = ["codesign", "--verify", program.to_str().unwrap()];
            run(&mut xtask(&example, &verify)).expect(0);
            let told = run(Command::new("file").arg(&program)).expect(0).stdout;
            assert!(told.contains(&format!("Mach-O 64-bit {arch} executable")), "{told}");
        }
        let tsuku = fs::read(out.join(format!("tsuku-{platform}"))).unwrap();
        assert!(tsuku.windows(helper.len()).any(|window| window == helper.as_bytes()));
    }
}

#[test]
fn a_missing_std_is_named_with_both_ways_out() {
    let folder = workspace("none");
    run(&mut xtask(folder.path(), &["dist", "--target", "mac"])).expect(3).says(&[
        "standard library for aarch64-apple-darwin is not installed",
        "rustup target add aarch64-apple-darwin; or build on macos-15",
    ]);
}
