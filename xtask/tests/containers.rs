//! Targets built in containers and assets run in bare images, by engines of the tests' own: see
//! `images/`. Needs root (for dockerd and the images), docker.io, podman, runc, catatonit, mmdebstrap, rustc-web,
//! cargo-web, rust-web-src, musl-tools and busybox-static of Debian 12.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Folder, Tool, cache, docker, edit, manifest, run, script};

fn xtask(folder: &Path, host: &str, args: &[&str]) -> Command {
    let mut command = common::xtask(folder, args);
    command.env("DOCKER_HOST", host);
    command
}

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "musl"
triple = "x86_64-unknown-linux-musl"
builder = "container"
image = "nowhere@sha256:0000000000000000000000000000000000000000000000000000000000000000"
runner = "ubuntu-24.04"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["musl"]

[package.policy.needed]
musl = ["libc.so"]

[package.smoke]
"#;

/// A workspace with one program, which uses std and so has an unwinder.
fn workspace(main: &str, build: &str) -> Folder {
    Tool { plan: PLAN, main, build, profile: "strip = true" }.workspace()
}

const MAIN: &str = r#"fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("tool v{}", env!("CARGO_PKG_VERSION")),
        Some("--help") => println!("usage"),
        _ => {
            let caught = std::panic::catch_unwind(|| panic!("x"));
            std::process::exit(if caught.is_err() { 2 } else { 0 });
        }
    }
}
"#;

fn readelf(file: &Path) -> String {
    let output = Command::new("readelf").args(["-dlW"]).arg(file).output().unwrap();
    assert!(output.status.success(), "readelf (Debian package: binutils)");
    String::from_utf8(output.stdout).unwrap()
}

/// The image holds a real libgcc_s.so, which std asks for; the program needs only musl's libc, and
/// runs where there is nothing else.
#[test]
fn a_dynamic_musl_program_needs_libc_alone_and_runs_in_a_bare_image() {
    let host = docker(&["builder", "musl"]);
    let folder = workspace(MAIN, "");
    let args = [
        "dist",
        "--target",
        "musl",
        "--image",
        "xtask-test/builder",
        "--userland",
        "xtask-test/musl",
    ];
    let ended = run(&mut xtask(folder.path(), &host, &args)).expect(0);
    assert!(ended.stdout.contains("2 passed"), "{}", ended.stdout);
    let read = readelf(&folder.join("dist/tool-musl"));
    assert!(read.contains("interpreter: /lib/ld-musl-x86_64.so.1]"), "{read}");
    let needed: Vec<_> = read.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert_eq!(needed.len(), 1, "{read}");
    assert!(needed[0].contains("[libc.so]"), "{read}");

    let manifest = fs::read_to_string(folder.join("dist/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let asset = &manifest["assets"][0];
    let image = &asset["builder"]["image"];
    assert_eq!(image["reference"], "xtask-test/builder");
    assert_eq!(image["planned"], false);
    assert!(image["id"].as_str().unwrap().starts_with("sha256:"), "{image}");
    assert!(asset["toolchain"].as_str().unwrap().starts_with("rustc 1."), "{asset}");
    assert_eq!(asset["smoke"][0]["how"], "container");
    assert!(asset["smoke"][0]["where"]["system"].as_str().unwrap().contains("xtask-test/musl"));

    // A release is built in the plan's image.
    let strict = ["dist", "--target", "musl", "--image", "xtask-test/builder", "--strict"];
    run(&mut xtask(folder.path(), &host, &strict))
        .expect(1)
        .says(&["is not the image of the plan"]);
}

#[test]
fn a_static_musl_program_has_no_loader_and_runs_beside_busybox() {
    let host = docker(&["builder", "busybox"]);
    let folder = workspace(MAIN, "");
    edit(
        &folder.join("xtask.toml"),
        "profile = \"release\"",
        "profile = \"release\"\ncrt = \"static\"",
    );
    edit(&folder.join("xtask.toml"), "[package.policy.needed]\nmusl = [\"libc.so\"]\n", "");
    let args = [
        "dist",
        "--target",
        "musl",
        "--image",
        "xtask-test/builder",
        "--userland",
        "xtask-test/busybox",
    ];
    let ended = run(&mut xtask(folder.path(), &host, &args)).expect(0);
    assert!(ended.stdout.contains("4 passed"), "{}", ended.stdout);
    let read = readelf(&folder.join("dist/tool-musl"));
    assert!(!read.contains("INTERP") && !read.contains("(NEEDED)"), "{read}");
}

/// A build that tries what it must not, and tells in its warnings what it saw.
const NOSY: &str = r#"
use std::{env, fs, net};
fn main() {
    let src = env::var("CARGO_MANIFEST_DIR").unwrap();
    if fs::write(format!("{src}/left-behind"), "x").is_ok() { panic!("the sources can be written to") }
    if fs::write("/usr/left-behind", "x").is_ok() { panic!("the image can be written to") }
    let interfaces = fs::read_dir("/sys/class/net").unwrap().flatten();
    let names: Vec<_> = interfaces.map(|entry| entry.file_name()).filter(|name| name != "lo").collect();
    if !names.is_empty() { panic!("there is a network: {names:?}") }
    if net::TcpStream::connect("192.0.2.1:80").is_ok() { panic!("there is a network") }
    let memory = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .or_else(|_| fs::read_to_string("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    println!("cargo::warning=memory {}", memory.unwrap_or_default().trim());
    println!("cargo::warning=home {}", env::var("HOME").unwrap());
}
"#;

#[test]
fn a_build_cannot_touch_sources_image_or_network() {
    let host = docker(&["builder"]);
    let folder = workspace(MAIN, NOSY);
    let args =
        ["build", "--target", "musl", "--image", "xtask-test/builder", "--container-memory", "3g"];
    let ended = run(&mut xtask(folder.path(), &host, &args)).expect(0);
    assert!(ended.stderr.contains("memory 3221225472"), "{}", ended.stderr);
    assert!(ended.stderr.contains("home /tmp"), "{}", ended.stderr);
    assert!(!folder.join("tool/left-behind").exists());
}

/// Whoever owns the target folder owns what a container wrote there, and nothing else is left.
#[test]
fn what_a_container_writes_belongs_to_the_caller() {
    let host = docker(&["builder"]);
    let folder = workspace(MAIN, "");
    let target = folder.join("target");
    fs::create_dir_all(&target).unwrap();
    let status =
        Command::new("chown").args(["-R", "1234:1234"]).arg(folder.path()).status().unwrap();
    assert!(status.success(), "chown needs root");
    let mut open = fs::metadata(folder.path()).unwrap().permissions();
    open.set_mode(0o755);
    // The cargo home of the one who runs the tests may be closed to others: one without dependencies.
    let cargo_home = folder.join("cargo-home");
    fs::create_dir_all(&cargo_home).unwrap();
    for own in
        ["musl", "musl/cargo-home", "musl/cargo-home/registry", "musl/cargo-home/git", "musl/link"]
    {
        fs::create_dir_all(target.join("xtask").join(own)).unwrap();
    }
    let status = Command::new("chown").args(["-R", "1234:1234"]).arg(&target).status().unwrap();
    assert!(status.success());
    let args = ["build", "--target", "musl", "--image", "xtask-test/builder"];
    // Git does not trust the folder of another user, and it is told why there is no commit.
    run(xtask(folder.path(), &host, &args).env("CARGO_HOME", &cargo_home))
        .expect(0)
        .says(&["no commit of a git repository", "dubious ownership"]);
    let built = target.join("xtask/musl/x86_64-unknown-linux-musl/release/tool");
    let mut folders = vec![target.join("xtask/musl/x86_64-unknown-linux-musl")];
    assert_eq!(fs::metadata(&built).unwrap().uid(), 1234);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            assert_eq!((meta.uid(), meta.gid()), (1234, 1234), "{}", entry.path().display());
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

fn containers(host: &str) -> String {
    let mut list = Command::new("docker");
    list.args(["ps", "--format", "{{.Names}}"]).env("DOCKER_HOST", host);
    String::from_utf8(list.output().unwrap().stdout).unwrap()
}

/// Waits until a container of this process is there, or none is; others are other tests'.
fn wait_for(host: &str, child: &Child, there: bool) {
    let ours = format!("xtask-{}-", child.id());
    let start = Instant::now();
    while containers(host).contains(&ours) != there {
        assert!(start.elapsed() < Duration::from_secs(60), "{ours} there: {}", !there);
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_container_ends_with_the_xtask_that_started_it() {
    let host = docker(&["builder"]);
    for signal in ["INT", "TERM", "KILL"] {
        let folder = workspace(
            MAIN,
            "fn main() { std::thread::sleep(std::time::Duration::from_secs(300)) }",
        );
        let args = ["build", "--target", "musl", "--image", "xtask-test/builder"];
        let mut child = xtask(folder.path(), &host, &args).spawn().unwrap();
        // The first container only asks the image for its toolchain; the build's writes a target folder.
        let lock = folder.join("target/xtask/musl/release/build");
        let start = Instant::now();
        while !lock.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "the build does not start");
            sleep(Duration::from_millis(50));
        }
        wait_for(&host, &child, true);
        assert!(common::signal(signal, &child.id().to_string()));
        child.wait().unwrap();
        wait_for(&host, &child, false);
    }
}

/// Programs that stand in for engines in trouble.
fn stub(folder: &Folder, name: &str, text: &str) {
    let path = folder.write(&format!("bin/{name}"), text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Everything of PATH but the engines.
fn path_without_engines(folder: &Folder) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in ["cargo", "rustc", "git", "cc", "sh", "uname", "getconf", "ld"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(name))
            .find(|path| path.exists());
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, bin.join(name)).unwrap();
        }
    }
    bin.to_str().unwrap().to_owned()
}

#[test]
fn an_engine_in_trouble_is_told_with_its_cure() {
    let folder = workspace(MAIN, "");
    let path = path_without_engines(&folder);
    let dist = |more: &[(&str, &str)]| {
        let mut command = common::xtask(folder.path(), &["dist", "--target", "musl"]);
        command.env("PATH", &path).envs(more.iter().copied());
        run(&mut command).expect(3)
    };
    dist(&[]).says(&[
        "no container engine can be used",
        "docker: not on PATH",
        "podman: not on PATH",
        "cure: install docker or podman",
    ]);
    stub(
        &folder,
        "docker",
        "#!/bin/sh\necho 'permission denied while trying to connect to the Docker daemon socket' >&2\nexit 1\n",
    );
    dist(&[]).says(&["this user may not use it", "usermod -aG docker"]);
    stub(
        &folder,
        "docker",
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2\nexit 1\n",
    );
    dist(&[]).says(&["its daemon does not run: start it"]);
    dist(&[("XTASK_ENGINE", "lxc")]).says(&["XTASK_ENGINE is `lxc`"]);
    // An engine that answers, and no network to fetch the image from.
    stub(
        &folder,
        "docker",
        "#!/bin/sh\ncase $1 in info) echo 20.0 ;; *) echo 'no such host' >&2; exit 1 ;; esac\n",
    );
    dist(&[]).says(&["docker does not have the image `nowhere@sha256:", "no such host", "--image"]);
}

#[test]
fn a_failed_build_is_told_from_a_failed_engine() {
    let host = docker(&["builder", "busybox"]);
    let folder = workspace("fn main() { wrong }", "");
    let args = ["build", "--target", "musl", "--image", "xtask-test/builder"];
    run(&mut xtask(folder.path(), &host, &args))
        .expect(3)
        .says(&["cargo failed in the image", "exit code 101"]);
    let args = ["build", "--target", "musl", "--image", "xtask-test/busybox"];
    run(&mut xtask(folder.path(), &host, &args)).expect(3).says(&["has no rustc to build with"]);
    let args = ["build", "--target", "musl", "--image", "xtask-test/absent"];
    run(&mut xtask(folder.path(), &host, &args))
        .expect(3)
        .says(&["does not have the image `xtask-test/absent`"]);
}

#[test]
fn podman_is_the_second_engine() {
    script("load.sh", &["podman", cache().to_str().unwrap(), "builder", "musl"], &[]);
    let folder = workspace(MAIN, "");
    // Limits that a process in a container, as CI's often is, may set.
    let limits = "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=4096:4096\"]\n[engine]\nruntime=\"runc\"\n";
    let limits = folder.write("target/containers.conf", limits);
    // No daemon, so podman is what answers.
    let podman = |args: &[&str]| {
        run(xtask(folder.path(), "unix:///nowhere", args).env("CONTAINERS_CONF", &limits)).expect(0)
    };
    podman(&[
        "dist",
        "--target",
        "musl",
        "--image",
        "xtask-test/builder",
        "--userland",
        "xtask-test/musl",
    ]);
    let asset = &manifest(&folder.join("dist"))["assets"][0];
    assert!(asset["builder"]["tools"][0].as_str().unwrap().starts_with("podman "), "{asset}");
    let ended = podman(&["smoke", "dist/tool-musl", "--userland", "xtask-test/musl"]);
    assert!(ended.stdout.contains(") in podman "), "{}", ended.stdout);
}
