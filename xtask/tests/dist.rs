//! The built xtask in workspaces of its own: the main job, and what must stop it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Folder, Tool, edit, repository, run, xtask};

/// A program of a few lines that keeps the contract of a smoke test without dlopen.
const MAIN: &str = r#"
fn main() {
    let version = option_env!("TOOL_VERSION").unwrap_or(env!("CARGO_PKG_VERSION"));
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("tool v{version}"),
        Some("--help") => println!("usage: tool"),
        _ => std::process::exit(2),
    }
}
"#;

fn host() -> String {
    let said = Command::new("rustc").arg("-vV").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

const PLAN: &str = r#"
[release]
repository = "owner/tool"

[[target]]
platform = "here"
triple = "HOST"
builder = "native"
runner = "ubuntu-24.04"
glibc-floor = "2.44"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["here"]
version-env = "TOOL_VERSION"
"#;

/// A workspace with one program for this host, built natively.
fn workspace() -> Folder {
    let plan = PLAN.replace("HOST", &host());
    Tool { plan: &plan, main: MAIN, build: "", profile: "" }.workspace()
}

/// Names in a folder, sorted; none when it does not exist.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_main_job_from_a_subfolder_and_its_failures_after_it() {
    let folder = workspace();
    let dist = folder.join("dist");
    let ended = run(&mut xtask(&folder.join("tool/src"), &["dist", "--strict"])).expect(0);
    assert!(ended.stdout.contains("tool-here"), "{}", ended.stdout);
    assert_eq!(names(&dist), ["checksums.txt", "manifest.json", "tool-here"]);

    // Other programs agree.
    let sums =
        run(Command::new("sha256sum").args(["--strict", "-c", "checksums.txt"]).current_dir(&dist));
    sums.expect(0);
    validate("manifest", &dist.join("manifest.json"));
    // The next release is compared with what was just written.
    let args = ["audit", "--against", "manifest.json", "tool-here"];
    let same = run(&mut xtask(&dist, &args)).expect(0);
    assert!(!same.stderr.contains("nothing to compare"), "{}", same.stderr);
    let manifest = fs::read_to_string(dist.join("manifest.json")).unwrap();
    assert!(
        manifest.contains("\"dirty\": false") && manifest.contains("\"not_run\": []"),
        "{manifest}"
    );

    // Not a path of this machine is left in the program.
    let bytes = fs::read(dist.join("tool-here")).unwrap();
    let root = folder.path().to_str().unwrap().as_bytes();
    assert!(!bytes.windows(root.len()).any(|window| window == root));

    // Tried again as on another machine: the record names the bytes.
    let record =
        ["smoke", "--strict", "--from", "dist", "--target", "here", "--record", "smoke.json"];
    run(&mut xtask(folder.path(), &record)).expect(0);
    let record = fs::read_to_string(folder.join("smoke.json")).unwrap();
    let sums = fs::read_to_string(dist.join("checksums.txt")).unwrap();
    let digest = sums.lines().find_map(|line| line.strip_suffix("  tool-here")).unwrap();
    assert!(record.contains(digest) && record.contains("\"outcome\": \"passed\""), "{record}");
    fs::remove_file(folder.join("smoke.json")).unwrap();
    run(&mut xtask(folder.path(), &["smoke", "--from", "tool"]))
        .expect(2)
        .says(&["no asset of the plan"]);

    // Another version, by environment; the wrong one would be refused by the smoke test.
    run(&mut xtask(folder.path(), &["dist", "--version", "2.0.0-rc.1"])).expect(0);
    assert!(fs::read_to_string(dist.join("manifest.json")).unwrap().contains("2.0.0-rc.1"));

    // A foreign file is nobody's to remove.
    fs::write(dist.join("notes"), "mine").unwrap();

    // A dirty tree: a warning, under --strict a refusal; and no stale asset after it.
    folder.write("tool/new", "");
    run(&mut xtask(folder.path(), &["dist"]))
        .expect(0)
        .says(&["warning: files differ", "tool/new"]);
    run(&mut xtask(folder.path(), &["dist", "--strict"]))
        .expect(1)
        .says(&["tool/new", "cure: commit"]);
    assert_eq!(names(&dist), ["notes"]);

    // A program that does not say its version exactly.
    run(&mut xtask(folder.path(), &["dist"])).expect(0);
    edit(&folder.join("tool/src/main.rs"), "tool v{version}", "tool v{version}.1");
    run(&mut xtask(folder.path(), &["dist"]))
        .expect(1)
        .says(&["smoke version failed", "tool v1.2.3.1"]);
    assert_eq!(names(&dist), ["notes"]);

    // A program that does not compile.
    edit(&folder.join("tool/src/main.rs"), "fn main", "fn mian");
    run(&mut xtask(folder.path(), &["dist"])).expect(3).says(&["`cargo` failed"]);
    assert_eq!(names(&dist), ["notes"]);
}

/// Features decide what is built, and what the SBOM lists; a program that says more than its version is
/// asked in its own words.
#[test]
fn a_program_with_features_that_says_more() {
    let main = r#"
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("version") => {
            let (extra, usual) = (cfg!(feature = "extra"), cfg!(feature = "usual"));
            println!("tool {} (rev 1a2b)\n\nextra: {extra}, usual: {usual}", env!("CARGO_PKG_VERSION"));
        }
        Some("help") => println!("usage: tool"),
        _ => std::process::exit(1),
    }
}
"#;
    let smoke = "[package.smoke]\nversion = \"tool {version}\"\nversion-match = \"start\"\n\
                 version-args = [\"version\"]\nhelp-args = [\"help\"]\n";
    let features = "features = [\"extra\"]\ndefault-features = false\n";
    let plan = PLAN.replace("HOST", &host()) + features + smoke;
    let folder = Tool { plan: &plan, main, build: "", profile: "" }.workspace();
    let package = folder.join("tool/Cargo.toml");
    let text = fs::read_to_string(&package).unwrap();
    let usual = "[features]\ndefault = [\"usual\"]\nusual = [\"dep:part\"]\nextra = []\n\
                 [dependencies]\npart = { path = \"../part\", optional = true }\n";
    fs::write(&package, text + usual).unwrap();
    folder.write("part/Cargo.toml", "[package]\nname = \"part\"\nversion = \"9.9.9\"\n");
    folder.write("part/src/lib.rs", "");
    let mut lock = Command::new("cargo");
    run(lock.args(["update", "--workspace", "--offline"]).current_dir(folder.path())).expect(0);
    common::commit(&folder);
    let dist = || run(&mut xtask(folder.path(), &["dist", "--strict"]));
    let sbom = || run(&mut xtask(folder.path(), &["sbom", "--package", "tool"])).expect(0).stdout;
    let says = || run(Command::new(folder.join("dist/tool-here")).arg("version")).expect(0).stdout;
    dist().expect(0);
    assert!(says().contains("extra: true, usual: false"), "{}", says());
    assert!(!sbom().contains("9.9.9"), "{}", sbom());

    edit(&folder.join("xtask.toml"), "default-features = false\n", "");
    common::commit(&folder);
    dist().expect(0);
    assert!(says().contains("extra: true, usual: true"), "{}", says());
    assert!(sbom().contains("9.9.9"), "{}", sbom());

    edit(&folder.join("xtask.toml"), "version-match = \"start\"\n", "");
    common::commit(&folder);
    dist()
        .expect(1)
        .says(&["not \"tool 1.2.3\"", "`version-match = \"start\"` in [package.smoke]"]);
}

/// Two programs of one Cargo package in one archive: both are judged, tried, recorded and compared.
#[test]
fn an_archive_of_two_programs() {
    let main = r#"
fn main() {
    let name = std::env::args().next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("{name} {}", env!("CARGO_PKG_VERSION")),
        Some("--help") => println!("usage: {name}"),
        _ => std::process::exit(2),
    }
}
"#;
    let several = "binaries = [\"tool\", \"toolx\"]\narchive = \"tar.gz\"\nasset = \"tool-{version}-{platform}\"\n\
                   [package.smoke]\nversion = \"{binary} {version}\"\n";
    let plan =
        PLAN.replace("HOST", &host()).replace("version-env = \"TOOL_VERSION\"\n", "") + several;
    let folder = Tool { plan: &plan, main, build: "", profile: "" }.workspace();
    folder.write("tool/src/bin/toolx.rs", main);
    common::commit(&folder);
    let dist = || run(&mut xtask(folder.path(), &["dist", "--strict"]));
    dist().expect(0);
    let mut list = Command::new("tar");
    let listed = run(list.args(["tzf", "dist/tool-1.2.3-here.tar.gz"]).current_dir(folder.path()));
    assert_eq!(listed.expect(0).stdout, "tool-1.2.3-here/tool\ntool-1.2.3-here/toolx\n");
    let manifest = folder.join("dist/manifest.json");
    validate("manifest", &manifest);
    let text = fs::read_to_string(&manifest).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let asset = &record["assets"][0];
    let checks: Vec<_> = asset["smoke"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["check"].as_str().unwrap())
        .collect();
    assert_eq!(checks, ["version", "help", "toolx version", "toolx help", "symbols", "symbols"]);
    assert_eq!(asset["audit"]["path"], "tool-1.2.3-here.tar.gz!tool-1.2.3-here/tool");
    assert_eq!(asset["other_audits"][0]["path"], "tool-1.2.3-here.tar.gz!tool-1.2.3-here/toolx");
    let args = ["audit", "--against", "dist/manifest.json", "dist/tool-1.2.3-here.tar.gz"];
    let same = run(&mut xtask(folder.path(), &args)).expect(0);
    assert!(!same.stderr.contains("nothing to compare"), "{}", same.stderr);

    // A release gathers, judges and verifies both.
    run(&mut xtask(folder.path(), &["rehearse"])).expect(0);
    let forge = ["--forge", "dir:target/forge", "--tag", "v1.2.3", "--one-machine", "--execute"];
    common::git(folder.path(), &["tag", "v1.2.3"]);
    let finalize = || run(xtask(folder.path(), &["finalize", "--only", "here"]).args(forge));
    let asset = folder.join("dist/tool-1.2.3-here.tar.gz");
    let half = "tar xzf \"$1\" && tar czf \"$1\" tool-1.2.3-here/tool";
    let mut cut = Command::new("sh");
    let cut = cut.args(["-c", half, "sh"]).arg(&asset).current_dir(folder.join("target"));
    run(cut).expect(0);
    finalize().expect(1).says(&["tool-1.2.3-here.tar.gz: does not hold `toolx`"]);

    // The fault of one refuses both.
    edit(&folder.join("tool/src/bin/toolx.rs"), "CARGO_PKG_VERSION", "CARGO_PKG_NAME");
    common::commit(&folder);
    dist().expect(1).says(&["smoke toolx version failed", "\"toolx tool\"", "nothing was written"]);
    edit(&folder.join("xtask.toml"), "\"toolx\"", "\"tooly\"");
    dist().expect(3).says(&["has no program `tooly`", "there is tool, toolx"]);
}

#[test]
fn a_floor_that_the_program_does_not_keep_is_refused() {
    let folder = workspace();
    // Built natively on this host, std binds to a newer glibc than 2.17.
    edit(&folder.join("xtask.toml"), "2.44", "2.17");
    run(&mut xtask(folder.path(), &["dist"])).expect(1).says(&[
        "[elf-glibc-floor]",
        "expected",
        "2.17",
        "cure:",
    ]);
    assert!(names(&folder.join("dist")).is_empty());
}

#[test]
fn a_path_of_the_builder_is_found_in_the_bytes() {
    let folder = workspace();
    let secret = format!(
        "static PATH: &str = {:?};\nfn main() {{ if std::env::args().len() > 9 {{ print!(\"{{PATH}}\") }}",
        folder.join("tool/secret")
    );
    edit(&folder.join("tool/src/main.rs"), "fn main() {", &secret);
    run(&mut xtask(folder.path(), &["dist"])).expect(1).says(&["[embedded-path]"]);
}

#[test]
fn bad_usage_is_told_before_anything_is_done() {
    let folder = workspace();
    for (args, parts) in [
        (&["dist", "--target", "mars"][..], &["no target `mars`", "here ("][..]),
        (&["dist", "--package", "other"], &["no package `other`", "there is tool"]),
        (&["dist", "--version", "v1.2.3"], &["`v1.2.3` is no version", "without a `v`"]),
        (&["-C", "nowhere", "plan"], &["holds no xtask.toml", "-C"]),
        (&["smoke", "nothing"], &["`nothing` is no file"]),
        (&["smoke", "tool/Cargo.toml"], &["is no program of the plan", "tool-here"]),
        (&["checksum", "--check", "tool"], &["is no file", "cargo xtask checksum"]),
    ] {
        run(&mut xtask(folder.path(), args)).expect(2).says(parts);
    }
    assert!(!folder.join("dist").exists());
    let empty = Folder::new();
    // A folder of the operating system: no xtask.toml above it.
    run(&mut xtask(Path::new("/"), &["plan"]))
        .expect(2)
        .says(&["no xtask.toml in `/` or above it"]);
    drop(empty);
}

#[test]
fn all_problems_of_the_file_are_told_with_line_and_cure() {
    let folder = workspace();
    edit(&folder.join("xtask.toml"), "runner =", "runer =");
    edit(&folder.join("xtask.toml"), "2.44", "2.99");
    run(&mut xtask(folder.path(), &["plan"])).expect(2).says(&[
        "3 problems in xtask.toml",
        "xtask.toml:9: unknown key `runer`",
        "did you mean `runner`?",
        "xtask.toml:10:",
    ]);
}

#[test]
fn a_platform_that_cannot_be_built_here_ends_with_the_cure() {
    let folder = workspace();
    let (other, line) = if host().contains("darwin") {
        ("x86_64-unknown-linux-musl", "")
    } else {
        ("aarch64-apple-darwin", "macos-min = \"11.0\"")
    };
    edit(
        &folder.join("xtask.toml"),
        "[[package]]",
        &format!(
            "[[target]]\nplatform = \"there\"\ntriple = \"{other}\"\nbuilder = \"native\"\nrunner = \"r\"\n{line}\n\n[[package]]"
        ),
    );
    edit(&folder.join("xtask.toml"), "[\"here\"]", "[\"here\", \"there\"]");
    run(&mut xtask(folder.path(), &["dist", "--target", "there"]))
        .expect(3)
        .says(&["nothing was built", &format!("rustup target add {other}")]);
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let folder = workspace();
    let blocked = folder.write("file", "").join("dist");
    run(&mut xtask(folder.path(), &["dist", "--out", blocked.to_str().unwrap()]))
        .expect(3)
        .says(&["nothing was built", "file/dist", "--out"]);
}

#[test]
fn two_runs_at_once_do_not_corrupt_each_other() {
    let folder = workspace();
    let mut children: Vec<_> =
        (0..2).map(|_| xtask(folder.path(), &["dist"]).spawn().unwrap()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(names(&folder.join("dist")), ["checksums.txt", "manifest.json", "tool-here"]);
    run(&mut xtask(folder.path(), &["checksum", "--check", "dist"])).expect(0);
}

#[test]
fn checksums_name_what_is_missing_changed_and_extra() {
    let folder = Folder::new();
    folder.write("d/a", "a");
    folder.write("d/b b", "b");
    folder.write("d/c", "c");
    run(&mut xtask(folder.path(), &["checksum", "d"])).expect(0);
    run(Command::new("sha256sum")
        .args(["--strict", "-c", "checksums.txt"])
        .current_dir(folder.join("d")))
    .expect(0);
    run(&mut xtask(folder.path(), &["checksum", "--check", "d"])).expect(0);
    run(&mut xtask(folder.path(), &["checksum", "--check", "d/checksums.txt"])).expect(0);
    fs::remove_file(folder.join("d/a")).unwrap();
    folder.write("d/b b", "B");
    folder.write("d/extra", "");
    run(&mut xtask(folder.path(), &["checksum", "--check", "d"])).expect(1).says(&[
        "missing: d/a",
        "changed: d/b b",
        "extra: d/extra",
    ]);
    folder.write("d/checksums.txt", "not a checksum\n");
    run(&mut xtask(folder.path(), &["checksum", "--check", "d"]))
        .expect(1)
        .says(&["checksums.txt:1:"]);
}

#[test]
fn the_matrix_goes_to_github_output() {
    let folder = workspace();
    let output = folder.join("out put");
    let ended =
        run(xtask(folder.path(), &["plan", "--matrix"]).env("GITHUB_OUTPUT", &output)).expect(0);
    assert_eq!(fs::read_to_string(output).unwrap(), format!("matrix={}", ended.stdout));
}

/// A tampered tool and a corrupted download are refused. The tool is a stand-in tree: the real one
/// is tried by the `dist` stage.
#[test]
fn a_cached_tool_that_was_changed_is_refused() {
    let tools = std::env::var_os("XTASK_TOOLS")
        .map_or_else(|| repository().join("target/tools"), Into::into);
    let find = |prefix: &str| {
        let entries = fs::read_dir(&tools)
            .unwrap_or_else(|_| panic!("{}: run `cargo xtask ci --only tools`", tools.display()));
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths
            .find(|path| {
                path.is_dir() && path.file_name().unwrap().to_str().unwrap().starts_with(prefix)
            })
            .unwrap_or_else(|| {
                panic!("no {prefix}* in {}: run `cargo xtask ci --only tools`", tools.display())
            })
    };
    let zigbuild = find("cargo-zigbuild-");
    let folder = Folder::new();
    let copy = folder.join("tools").join(zigbuild.file_name().unwrap());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-r").args([&zigbuild, &copy]).status().unwrap();
    assert!(copied.success());
    let doctor = || run(xtask(&repository(), &["doctor"]).env("XTASK_TOOLS", folder.join("tools")));
    // Untouched, though copied: every byte is checked against the pinned record.
    assert!(doctor().stdout.contains("0.24.0 (verified)"));
    let program = copy.join("cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild");
    let mut bytes = fs::read(&program).unwrap();
    bytes[1000] ^= 1;
    fs::write(&program, bytes).unwrap();
    let ended = doctor().expect(1);
    assert!(ended.stdout.contains("was changed: remove"), "{}", ended.stdout);
    // A file that the wheel never had.
    fs::remove_dir_all(&copy).unwrap();
    assert!(Command::new("cp").arg("-r").args([&zigbuild, &copy]).status().unwrap().success());
    fs::write(copy.join("extra"), "").unwrap();
    assert!(doctor().expect(1).stdout.contains("extra` is not part of the wheel"));
}

/// pip is a stand-in that "downloads" other bytes than were pinned.
#[test]
#[cfg(unix)]
fn a_corrupted_download_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let script = "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
                  [ -n \"$dest\" ] || exit 0\nmkdir -p \"$dest\" && echo corrupt > \"$dest/x.whl\"\n";
    let python = folder.write("bin/python3", script);
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = xtask(&repository(), &["build", "--dry-run", "--target", "linux-amd64"]);
    run(command.env("XTASK_TOOLS", folder.join("tools")).env("PATH", path)).expect(3).says(&[
        "cannot provision ziglang",
        "x.whl` has sha256",
        "is pinned",
    ]);
    assert_eq!(
        names(&folder.join("tools")).iter().filter(|name| !name.ends_with(".lock")).count(),
        0
    );
}

/// Whatever began is gone, and a shell sees by which signal it ended.
#[test]
#[cfg(unix)]
fn a_signal_in_the_middle_leaves_nothing_behind() {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let folder = workspace();
        let build = "fn main() { std::thread::sleep(std::time::Duration::from_secs(300)) }";
        folder.write("tool/build.rs", build);
        let temporary = folder.join("tmp");
        fs::create_dir(&temporary).unwrap();
        let mut dist = xtask(folder.path(), &["dist"]);
        let mut child = dist.env("TMPDIR", &temporary).process_group(0).spawn().unwrap();
        // The build script is what runs once its folder is there.
        let start = std::time::Instant::now();
        while !folder.join("target/xtask/here/release/build").exists() {
            assert!(start.elapsed().as_secs() < 120, "the build does not start");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_ne!(names(&folder.join("dist")), [""; 0], "no staging folder");
        let id = child.id().to_string();
        assert!(common::signal(signal, &id));
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(names(&folder.join("dist")), [""; 0]);
        assert_eq!(names(&temporary), [""; 0]);
        // What outlived the signal to the one program, as no terminal sends it.
        common::signal("KILL", &format!("-{id}"));
    }
}

/// Validates a JSON file against a schema of this repository with an independent validator.
fn validate(schema: &str, file: &Path) {
    let schema = repository().join("schemas").join(format!("{schema}.schema.json"));
    let script = "import fastjsonschema, json, sys\n\
                  fastjsonschema.compile(json.load(open(sys.argv[1])))(json.load(open(sys.argv[2])))";
    let mut python = Command::new("python3");
    run(python.args(["-c", script]).args([&schema, file])).expect(0);
}
