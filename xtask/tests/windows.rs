//! Windows from Linux: Rust by zig and Go, judged, packed with their `.exe` names, and run under wine; and what
//! only Windows can build. Needs Debian's wine, rustc-web, cargo-web, rust-web-src and
//! binutils-mingw-w64-x86-64.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Folder, Tool, cache, commit, edit, manifest, path_with, run, script, smoke, xtask};

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "windows"
triple = "x86_64-pc-windows-gnu"
builder = "zig"
runner = "windows-2025"

[[target]]
platform = "msvc"
triple = "x86_64-pc-windows-msvc"
builder = "native"
runner = "windows-2025"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["windows", "msvc"]

[package.smoke]
help = true

[package.policy.needed]
mingw = ["kernel32.dll", "ntdll.dll", "userenv.dll", "ws2_32.dll", "bcryptprimitives.dll", "api-ms-win-*"]

[[package]]
name = "gotool"
kind = "go"
path = "gotool"
targets = ["windows"]
archive = "zip"
include = ["LICENSE"]
ldflags = ["-X main.version={version}"]

[package.smoke]
help = true

[package.policy.needed]
mingw = ["kernel32.dll"]
"#;

const MAIN: &str = r#"fn main() {
    // std takes random numbers from Windows for it.
    let map: std::collections::HashMap<_, _> = [(1, "usage")].into();
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("tool v1.2.3"),
        Some("--help") => println!("{}", map[&1]),
        _ => std::process::exit(2),
    }
}
"#;

const GO: &str = r#"package main

import (
	"fmt"
	"os"
)

var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println("gotool v" + version)
		return
	}
	fmt.Println("usage")
}
"#;

fn workspace() -> Folder {
    let profile = "panic = \"abort\"\nstrip = \"symbols\"";
    let folder = Tool { plan: PLAN, main: MAIN, build: "", profile }.workspace();
    folder.write("gotool/go.mod", "module example.com/gotool\n\ngo 1.21\n");
    folder.write("gotool/main.go", GO);
    commit(&folder);
    folder
}

/// The tests' own set-up of wine, which has what Rust's std asks for.
fn wine() -> String {
    let prefix = cache().join("wine");
    script("wine.sh", &[prefix.to_str().unwrap()], &[]);
    prefix.to_str().unwrap().to_owned()
}

fn kind(file: &Path) -> String {
    run(Command::new("file").arg("--brief").arg(file)).expect(0).stdout
}

#[test]
fn rust_and_go_programs_are_built_judged_and_run_under_wine() {
    let folder = workspace();
    let path = path_with("x86_64-pc-windows-gnu");
    let mut dist = xtask(folder.path(), &["dist", "--target", "windows", "--strict"]);
    run(dist.env("PATH", &path).env("WINEPREFIX", wine())).expect(0);
    let assets = manifest(&folder.join("dist"))["assets"].as_array().unwrap().clone();
    let names: Vec<_> = assets.iter().map(|asset| asset["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tool-windows.exe", "gotool-windows.zip"]);
    let row = ("wine".to_owned(), "passed".to_owned());
    for asset in &assets {
        assert_eq!(smoke(asset), [row.clone(), row.clone()], "{asset}");
        assert_eq!(asset["findings"].as_array().unwrap().len(), 0, "{asset}");
    }
    let told = kind(&folder.join("dist/tool-windows.exe"));
    assert!(told.starts_with("PE32+ executable") && told.contains("x86-64"), "{told}");
    let unzip = run(Command::new("unzip")
        .args(["-Z1", "gotool-windows.zip"])
        .current_dir(folder.join("dist")));
    assert_eq!(unzip.expect(0).stdout, "gotool-windows/LICENSE\ngotool-windows/gotool.exe\n");
}

/// Imports outside the list are refused, and a program that says something else than its version.
#[test]
fn a_library_that_is_not_on_the_list_is_refused() {
    let folder = workspace();
    edit(&folder.join("xtask.toml"), "mingw = [\"kernel32.dll\"]", "mingw = [\"user32.dll\"]");
    edit(&folder.join("gotool/main.go"), "gotool v", "gotool ");
    let args = ["dist", "--target", "windows", "--package", "gotool"];
    run(xtask(folder.path(), &args).env("WINEPREFIX", wine())).expect(1).says(&[
        "[pe-imports]",
        "kernel32.dll",
        "smoke version failed",
        "gotool 1.2.3",
    ]);
}

/// Without wine, and with one that is too old for Rust, a check is not run, and says why.
#[test]
fn what_wine_cannot_run_is_told() {
    let folder = workspace();
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["git", "cc", "sh", "uname", "getconf"] {
        let path = std::env::var_os("PATH").unwrap();
        let found =
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.exists());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(name)).unwrap();
    }
    let cross = path_with("x86_64-pc-windows-gnu");
    let cross = Path::new(cross.split(':').next().unwrap());
    for name in ["rustc", "cargo"] {
        std::os::unix::fs::symlink(cross.join(name), bin.join(name)).unwrap();
    }
    let args = ["dist", "--target", "windows", "--package", "tool"];
    run(xtask(folder.path(), &args).env("PATH", &bin)).expect(0);
    let asset = &manifest(&folder.join("dist"))["assets"][0];
    let why = asset["smoke"][0]["detail"].as_str().unwrap();
    assert!(why.contains("wine is not on PATH") && why.contains("run it on windows-2025"), "{why}");

    // A wine as it was before it had the library.
    let prefix = folder.write("old/system.reg", "");
    let wine = bin.join("wine");
    std::os::unix::fs::symlink("/bin/true", wine).unwrap();
    for package in ["tool", "gotool"] {
        let args = ["dist", "--target", "windows", "--package", package];
        let mut dist = xtask(folder.path(), &args);
        dist.env("PATH", &bin).env("WINEPREFIX", prefix.parent().unwrap());
        run(&mut dist).expect(0);
        let asset = &manifest(&folder.join("dist"))["assets"][0];
        let why = asset["smoke"][0]["detail"].as_str().unwrap();
        assert!(why.contains("has no bcryptprimitives.dll"), "{package}: {why}");
    }
}

/// Microsoft's run-time is linked in by the very command; elsewhere than on Windows nothing is tried.
#[test]
fn msvc_is_built_on_windows_with_a_static_run_time() {
    let folder = workspace();
    let args = ["build", "--target", "msvc", "--dry-run"];
    let command = run(&mut xtask(folder.path(), &args)).expect(0).stdout;
    for part in [
        "cargo build --locked --profile release --target x86_64-pc-windows-msvc",
        "target.x86_64-pc-windows-msvc.rustflags=[",
        "\"-C\",\"target-feature=+crt-static\"",
    ] {
        assert!(command.contains(part), "{command}");
    }
    run(&mut xtask(folder.path(), &["dist", "--target", "msvc"])).expect(3).says(&[
        "Microsoft's linker runs on Windows only",
        "build on windows-2025, or release x86_64-pc-windows-gnu with `builder = \"zig\"`",
    ]);
}
