//! `cargo xtask codesign`, driven as a user would; an independent verifier looks at what it made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::fixtures::{assert_follows_schema, zig_cc};
use common::{Ended, Folder, repository, xtask};

fn run(args: &[&str]) -> Ended {
    common::run(&mut xtask(&repository(), args))
}

const ID: &str = "org.example.tool";

/// A program of several pages: signed by the linker for arm64, not signed for x86_64.
fn program(target: &str) -> Vec<u8> {
    let source = b"int puts(const char *); static const char text[50000] = {1};\n\
                   int main(int c, char **v) { return puts(text + c); }\n";
    zig_cc(&[("main.c", source)], &["-target", target, "-O1", "{in}/main.c"])
}

fn arm64() -> Vec<u8> {
    program("aarch64-macos.11.0")
}

fn x86_64() -> Vec<u8> {
    program("x86_64-macos.11.0")
}

/// Both, as lipo puts them together.
fn universal() -> Vec<u8> {
    let (x86, arm) = (x86_64(), arm64());
    let second = (0x4000 + x86.len()).next_multiple_of(0x4000);
    let words = [
        [0xcafe_babe, 2, 0x0100_0007, 3],
        [0x4000, x86.len(), 14, 0x0100_000c],
        [0, second, arm.len(), 14],
    ];
    let mut file: Vec<u8> =
        words.iter().flatten().flat_map(|word| (*word as u32).to_be_bytes()).collect();
    file.resize(0x4000, 0);
    file.extend(x86);
    file.resize(second, 0);
    file.extend(arm);
    file
}

/// Runs `codesign` with arguments and a path: exit code, standard output, standard error.
fn codesign(args: &[&str], path: &Path) -> (i32, String, String) {
    let path = path.to_str().unwrap();
    let ended = run(&[&["codesign"], args, &[path]].concat());
    (ended.code.unwrap(), ended.stdout, ended.stderr)
}

/// What the independent verifier says: a line for each slice, or why not.
fn peer(path: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/codesign.py");
    let output = Command::new("python3").arg(script).arg(path).output().expect("python3 (apt)");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn what_it_signs_an_independent_verifier_accepts() {
    let folder = Folder::new();
    for (name, bytes, expected) in [
        ("arm64", arm64(), "arm64 org.example.tool 7\n"),
        ("x86_64", x86_64(), "x86_64 org.example.tool 17\n"),
        ("universal", universal(), "x86_64 org.example.tool 17\narm64 org.example.tool 7\n"),
    ] {
        let path = folder.join(name);
        fs::write(&path, &bytes).unwrap();
        let (code, out, err) = codesign(&["--builtin", "--identifier", ID], &path);
        assert_eq!(code, 0, "{name}: {err}");
        assert!(out.starts_with("signed "), "{out}");
        assert_eq!(peer(&path).as_deref(), Ok(expected));
        let once = fs::read(&path).unwrap();
        assert_eq!(codesign(&["--verify", "--identifier", ID], &path).0, 0);
        // Again, and under another name: the same bytes.
        assert_eq!(codesign(&["--builtin", "--force", "--identifier", ID], &path).0, 0);
        assert_eq!(fs::read(&path).unwrap(), once, "{name}");
        let other = folder.join(format!("{name}-renamed"));
        fs::write(&other, &bytes).unwrap();
        assert_eq!(codesign(&["--builtin", "--identifier", ID], &other).0, 0);
        assert_eq!(fs::read(&other).unwrap(), once, "{name}");
    }
}

#[test]
fn what_is_damaged_both_verifiers_refuse() {
    let folder = Folder::new();
    let path = folder.join("tool");
    fs::write(&path, arm64()).unwrap();
    assert_eq!(codesign(&["--builtin", "--identifier", ID], &path).0, 0);
    let signed = fs::read(&path).unwrap();
    let code_end = signed.len() - 600;
    for at in (0x3000..code_end).step_by(0x2fff) {
        let mut damaged = signed.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        let (code, out, _) = codesign(&["--verify"], &path);
        assert_eq!(code, 1, "{at:#x}");
        let page = format!("page {} at offset {:#x}", at / 0x4000, at / 0x4000 * 0x4000);
        assert!(out.contains(&page), "{at:#x}: {out}");
        assert!(peer(&path).is_err(), "{at:#x}");
    }
}

#[test]
fn the_file_keeps_its_mode_and_a_link_stays_one() {
    let folder = Folder::new();
    let (file, link) = (folder.join("tool"), folder.join("link"));
    fs::write(&file, x86_64()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    symlink("tool", &link).unwrap();
    assert_eq!(codesign(&["--identifier", ID], &link).0, 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o751);
    assert_eq!(codesign(&["--verify"], &file).0, 0);
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "nothing else is left behind");
}

#[test]
fn a_right_signature_is_replaced_by_force_only() {
    let folder = Folder::new();
    let path = folder.join("tool");
    fs::write(&path, arm64()).unwrap();
    // The linker's is replaced without asking.
    assert!(codesign(&["--identifier", ID], &path).1.starts_with("signed "));
    let signed = fs::read(&path).unwrap();
    let (code, out, _) = codesign(&["--identifier", ID], &path);
    assert_eq!((code, out.starts_with("already signed ")), (0, true), "{out}");
    let (code, _, err) = codesign(&["--identifier", "other"], &path);
    assert_eq!(code, 1);
    assert!(err.contains("--force"), "{err}");
    assert_eq!(fs::read(&path).unwrap(), signed);
    assert_eq!(codesign(&["--force", "--identifier", "other"], &path).0, 0);
    let (code, out, _) = codesign(&["--verify", "--identifier", ID], &path);
    assert_eq!(code, 1);
    assert!(out.contains("the identifier is `other`"), "{out}");
}

#[test]
fn what_cannot_be_signed_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("tool");
    let appended = [x86_64(), b"payload".to_vec()].concat();
    let cases: [(&str, &[u8], i32, &str); 3] = [
        ("a script", b"#!/bin/sh\necho hello\n", 1, "no Mach-O header"),
        ("appended data", &appended, 1, "the last thing"),
        ("an empty file", b"", 1, "ends before"),
    ];
    for (what, bytes, expected, reason) in cases {
        fs::write(&path, bytes).unwrap();
        let (code, _, err) = codesign(&["--identifier", ID], &path);
        assert_eq!(code, expected, "{what}: {err}");
        assert!(err.contains(reason) && err.contains("tool"), "{what}: {err}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    }
    fs::write(&path, x86_64()).unwrap();
    let (code, _, err) = codesign(&["--identifier", "a\nb"], &path);
    assert_eq!(code, 2, "{err}");
    assert_eq!(codesign(&["--identifier", ID], &folder.join("absent")).0, 2);
    assert_eq!(codesign(&["--verify"], &path).0, 1, "an unsigned file does not verify");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn the_identifier_comes_from_the_plan_never_from_the_file() {
    let folder = Folder::new();
    let plan: Value = serde_json::from_str(&run(&["plan", "--json"]).stdout).unwrap();
    let asset = plan["assets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|asset| asset["platform"].as_str().is_some_and(|name| name.contains("darwin")))
        .expect("an asset for macOS");
    let path = folder.join(asset["name"].as_str().unwrap());
    fs::write(&path, arm64()).unwrap();
    let sign = |path: &Path| run(&["codesign", "--json", path.to_str().unwrap()]);
    let answer: Value = serde_json::from_str(&sign(&path).stdout).unwrap();
    let signature = &answer["files"][0]["slices"][0]["signature"];
    assert_eq!(signature["identifier"], asset["package"], "{answer}");
    let other = folder.join("a.out");
    fs::write(&other, arm64()).unwrap();
    let refused = sign(&other);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--identifier"));
}

#[test]
fn the_audit_tells_every_field() {
    let folder = Folder::new();
    fs::write(folder.join("arm64"), arm64()).unwrap();
    fs::write(folder.join("cut"), &arm64()[..100]).unwrap();
    fs::write(folder.join("universal"), universal()).unwrap();
    let windows = zig_cc(
        &[("main.c", b"void start(void) {}\n")],
        &[
            "-target",
            "x86_64-windows-gnu",
            "-nostdlib",
            "{in}/main.c",
            "-Wl,--entry=start",
            "-Wl,--subsystem,console",
        ],
    );
    fs::write(folder.join("windows.exe"), &windows).unwrap();
    fs::write(folder.join("windows-cut.exe"), &windows[..windows.len() - 1]).unwrap();
    let output = run(&["audit", "--json", folder.path().to_str().unwrap()]);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_follows_schema("audit", &answer);
    let file = |name: &str| {
        let files = answer["files"].as_array().unwrap();
        files.iter().find(|file| file["path"].as_str().unwrap().ends_with(name)).unwrap()
    };
    let signature = &file("/arm64")["slices"][0]["signature"];
    assert_eq!(signature["linker_signed"], true);
    assert_eq!(signature["page_size"], 16384);
    assert_eq!(signature["identifier"], "made");
    assert_eq!(file("/arm64")["slices"][0]["minos"], "11.0");
    assert_eq!(file("/cut")["outcome"], "not_auditable");
    assert_eq!(file("/universal")["slices"][0]["signature"]["present"], false);
    assert_eq!(file("windows.exe")["machine"], "x86_64");
    assert_eq!(file("windows-cut.exe")["outcome"], "not_auditable");
}
