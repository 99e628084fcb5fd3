//! The plan: what is refused, and what follows from this repository's own `xtask.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;

use common::GOOD;
use xtask_core::plan::{Config, Facts, Plan, Problem};
use xtask_core::report;

fn problems(text: &str) -> Vec<Problem> {
    Config::parse(text).expect_err("the file is refused")
}

#[test]
fn the_good_file_is_accepted() {
    let config = Config::parse(GOOD).unwrap();
    let plan = Plan::new(config, &Facts { version: "1.2.3".into() });
    let names: Vec<_> = plan.assets.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "tool-linux-amd64",
            "tool-darwin-arm64",
            "tool.cdx.json",
            "provenance.json",
            "manifest.json",
            "checksums.txt"
        ]
    );
    let transient: Vec<_> = plan.transient.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(transient, ["manifest-linux-amd64.json", "manifest-darwin-arm64.json"]);
    assert_eq!(plan.tag, "v1.2.3");
}

/// (text in the good file, replaced by, line of the problem, part of the message, part of the cure)
const REFUSED: &[(&str, &str, usize, &str, &str)] = &[
    (
        "platform = \"linux-amd64\"",
        "plattform = \"linux-amd64\"",
        6,
        "unknown key `plattform`",
        "did you mean `platform`?",
    ),
    ("[[package]]", "[[packages]]", 19, "unknown table `packages`", "did you mean `package`?"),
    (
        "x86_64-unknown-linux-gnu",
        "x86_64-linux-gnu",
        7,
        "unknown triple `x86_64-linux-gnu`",
        "`x86_64-unknown-linux-gnu`",
    ),
    (
        "aarch64-apple-darwin",
        "aarch64-aple-darwin",
        14,
        "unknown triple",
        "did you mean `aarch64-apple-darwin`?",
    ),
    (
        "builder = \"zig\"",
        "builder = \"zag\"",
        8,
        "`builder` in [[target]] is `zag`",
        "did you mean `zig`?",
    ),
    (
        "builder = \"zig\"",
        "builder = 3",
        8,
        "`builder` in [[target]] is an integer",
        "write a string",
    ),
    ("\"2.17\"", "\"2.16\"", 10, "the floor 2.16 is impossible", "from `2.17` to"),
    ("\"2.17\"", "\"2.99\"", 10, "the floor 2.99 is impossible", "from `2.17` to"),
    ("\"2.17\"", "\"2.17.1\"", 10, "`2.17.1` is no glibc release", "from `2.17` to"),
    ("\"2.17\"", "2.17", 10, "is a float", "write a string"),
    ("glibc-floor = \"2.17\"", "", 5, "has no `glibc-floor`", "glibc-floor = \"2.17\""),
    (
        "macos-min = \"11.0\"",
        "glibc-floor = \"2.17\"",
        12,
        "has no `macos-min`",
        "macos-min = \"11.0\"",
    ),
    (
        "macos-min = \"11.0\"",
        "macos-min = \"11.0\"\nglibc-floor = \"2.17\"",
        18,
        "`glibc-floor` on `aarch64-apple-darwin`",
        "remove it",
    ),
    (
        "macos-min = \"11.0\"",
        "macos-min = \"eleven\"",
        17,
        "`macos-min` is `eleven`",
        "major.minor",
    ),
    ("builder = \"native\"", "builder = \"container\"", 15, "a container cannot build", "native"),
    (
        "platform = \"darwin-arm64\"",
        "platform = \"linux-amd64\"",
        13,
        "a second platform `linux-amd64`",
        "name of its own",
    ),
    (
        "platform = \"darwin-arm64\"",
        "platform = \"darwin arm64\"",
        13,
        "not a plain file name",
        "letters, digits",
    ),
    (
        "platform = \"darwin-arm64\"",
        "platform = \"../x\"",
        13,
        "not a plain file name",
        "letters, digits",
    ),
    (
        "targets = [\"linux-amd64\", \"darwin-arm64\"]",
        "targets = []",
        19,
        "package `tool` has no targets",
        "at least one",
    ),
    ("targets = [\"linux-amd64\", \"darwin-arm64\"]", "", 19, "has no `targets`", "add `targets"),
    (
        "\"darwin-arm64\"]",
        "\"darwin-arm46\"]",
        23,
        "names `darwin-arm46`",
        "did you mean `darwin-arm64`?",
    ),
    ("\"darwin-arm64\"]", "\"linux-amd64\"]", 23, "a second target", "name of its own"),
    (
        "path = \"tool\"",
        "path = \"tool\"\nasset = \"{package}\"",
        23,
        "two assets are named `tool`",
        "{platform}",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nasset = \"{pkg}-{platform}\"",
        23,
        "unknown placeholder",
        "`{package}`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nasset = \"a/{platform}\"",
        23,
        "not a plain file name",
        "letters, digits",
    ),
    (
        "repository = \"owner/name\"",
        "repository = \"name\"",
        3,
        "`repository` is `name`",
        "owner/name",
    ),
    (
        "repository = \"owner/name\"",
        "repository = \"owner/name\"\ntag = \"v1\"",
        4,
        "`tag` is `v1`",
        "{version}",
    ),
    ("repository = \"owner/name\"", "repository = \"\"", 3, "is empty", "write a value"),
    (
        "repository = \"owner/name\"",
        "repository = \"owner/name\"\nmanifest = \"checksums.txt\"",
        4,
        "are one file",
        "apart",
    ),
    ("[release]\nrepository = \"owner/name\"", "", 1, "[release] is missing", "add [release]"),
    (
        "kind = \"rust\"",
        "kind = \"rust\"\n[package.smoke]\nversion = \"1.0\"",
        23,
        "is `1.0`",
        "{version}",
    ),
    (
        "targets = [\"linux-amd64\", \"darwin-arm64\"]",
        "targets = [\"linux-amd64\", \"darwin-arm64\"]\n[package.policy.needed]\nglibc = []",
        25,
        "unknown libc `glibc`",
        "`gnu`",
    ),
    ("builder = \"zig\"", "builder = \"container\"", 5, "without `image`", "name:tag@sha256"),
    (
        "builder = \"zig\"",
        "builder = \"container\"\nimage = \"rust:1.95.0\"",
        9,
        "`image` holds `rust:1.95.0`, which names no digest",
        "64 hexadecimal digits",
    ),
    ("builder = \"zig\"", "builder = \"zig\"\nimage = \"x\"", 9, "only `container`", "remove it"),
    (
        "builder = \"native\"",
        "builder = \"native\"\nuserlands = [\"x\"]",
        16,
        "`userlands` on `aarch64-apple-darwin`",
        "remove it",
    ),
    ("path = \"tool\"", "path = \"tool\"\npins = [\"tool\"]", 23, "no other package", "there is"),
    (
        "path = \"tool\"",
        "path = \"tool\"\nldflags = [\"-X a.b={version}\"]",
        23,
        "on a package of kind `rust`",
        "remove",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\norigin = \"goreleaser\"",
        23,
        "`origin` on a package of kind `rust`",
        "`prebuilt`",
    ),
    ("kind = \"rust\"", "kind = \"prebuilt\"", 19, "has no `origin`", "goreleaser"),
    (
        "kind = \"rust\"\npath = \"tool\"",
        "kind = \"prebuilt\"\norigin = \"x\"\npath = \"out/tool\"",
        23,
        "`path` is `out/tool` for every platform",
        "{platform}",
    ),
    (
        "kind = \"rust\"\npath = \"tool\"",
        "kind = \"prebuilt\"\norigin = \"x\"\npath = \"out/tool-{os}\"",
        23,
        "unknown placeholder",
        "`{goos}`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nsmoke = { calls = [\"verify\"] }",
        23,
        "without `pins`",
        "add the program",
    ),
    (
        "runner = \"ubuntu-24.04\"",
        "runner = \"ubuntu-24.04\"\nemulated = \"yes\"",
        10,
        "`emulated`",
        "true or false",
    ),
    (
        "repository = \"owner/name\"",
        "repository = \"owner/name\"\nprovenance = \"manifest.json\"",
        4,
        "`provenance` and `manifest` are one file",
        "apart",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nasset = \"tool.cdx.json\"",
        23,
        "two assets are named `tool.cdx.json`",
        "{platform}",
    ),
    (
        "kind = \"rust\"\npath = \"tool\"",
        "kind = \"go\"\npath = \"tool\"\nldflags = [\"-X a.b={sha256:other}\"]",
        23,
        "unknown placeholder",
        "`{version}`, `{commit}`",
    ),
    (
        "kind = \"rust\"\npath = \"tool\"",
        "kind = \"go\"\npath = \"tool\"\nldflags = [\"-X 'a.b={version}'\"]",
        23,
        "a quote",
        "plainly",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nfeatures = [\"a,b\"]",
        23,
        "`features` holds `a,b`",
        "one name in each entry",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nbinaries = [\"tool\", \"toolx\"]",
        23,
        "several `binaries` without an archive",
        "set `archive`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nbinary = \"tool\"\nbinaries = [\"tool\"]",
        23,
        "both `binary` and `binaries`",
        "list all",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\narchive = \"zip\"\nbinaries = [\"tool\", \"tool\"]",
        24,
        "a second program `tool`",
        "a name of its own",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nbuild-tags = [\"netgo\"]",
        23,
        "`build-tags` on a package of kind `rust`",
        "kind `go`",
    ),
    (
        "kind = \"rust\"\npath = \"tool\"",
        "kind = \"go\"\npath = \"tool\"\nfeatures = [\"a\"]",
        23,
        "`features` on a package of kind `go`",
        "kind `rust`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\nsmoke = { version-match = \"part\" }",
        23,
        "`version-match` in [package.smoke] is `part`",
        "`start`",
    ),
    ("path = \"tool\"", "path = \"tool\"\narchive = \"rar\"", 23, "`archive`", "`tar.gz`"),
    (
        "path = \"tool\"",
        "path = \"tool\"\narchive-windows = \"tgz\"",
        23,
        "`archive-windows`",
        "`tar.gz`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\ninclude = [\"LICENSE\"]",
        23,
        "without an archive",
        "set `archive`",
    ),
    (
        "path = \"tool\"",
        "path = \"tool\"\narchive = \"zip\"\ninclude = [\"a/LICENSE\", \"LICENSE\"]",
        24,
        "a second file packed as `LICENSE`",
        "name of its own",
    ),
    ("[release]", "[release", 2, "", "syntax"),
];

#[test]
fn what_is_wrong_is_refused_with_line_and_cure() {
    for (old, new, line, message, cure) in REFUSED {
        assert!(GOOD.contains(old), "{old}");
        let problems = problems(&GOOD.replacen(old, new, 1));
        let found = problems.iter().any(|problem| {
            problem.line == *line
                && problem.message.contains(message)
                && problem.cure.contains(cure)
        });
        assert!(found, "{new}: {problems:#?}");
    }
}

#[test]
fn every_problem_is_in_one_report() {
    let text = GOOD
        .replace("runner = \"ubuntu-24.04\"", "runer = \"ubuntu-24.04\"")
        .replace("aarch64-apple-darwin", "aarch64-apple-ios")
        .replace("kind = \"rust\"", "kind = \"c\"");
    let lines: Vec<_> = problems(&text).iter().map(|problem| problem.line).collect();
    // The misspelt key, and the key that is missing for it.
    assert_eq!(lines, [5, 9, 14, 21]);
}

#[test]
fn no_text_makes_it_panic() {
    for end in (0..GOOD.len()).filter(|end| GOOD.is_char_boundary(*end)) {
        let _ = Config::parse(&GOOD[..end]);
        let _ = Config::parse(&GOOD[end..]);
        let _ = Config::parse(&format!("{}\u{1}é{}", &GOOD[..end], &GOOD[end..]));
    }
}

/// Asset names are a contract with whoever downloads them: a change of these shows in review.
/// `UPDATE_SNAPSHOTS=1` writes them anew.
#[test]
fn the_plan_of_this_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("xtask.toml")).unwrap();
    let plan = Plan::new(Config::parse(&text).unwrap(), &Facts { version: "1.2.3".into() });
    snapshot("plan.txt", &report::plan(&plan));
    snapshot("plan.json", &format!("{:#}\n", plan.to_json()));
    snapshot("matrix.json", &format!("{:#}\n", plan.matrix()));
}

fn snapshot(name: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, now, "{} differs; UPDATE_SNAPSHOTS=1 writes it anew", path.display());
}

#[test]
fn what_a_program_says_of_its_version() {
    let judge = |smoke: &str, said: &str| {
        let text = GOOD.replace("path = \"tool\"", &format!("path = \"tool\"\nsmoke = {smoke}"));
        let config = Config::parse(&text).unwrap();
        config.packages[0].judge_version("tool", said, "1.2.3")
    };
    let whole = "{ version = \"{package} {version}\" }";
    for said in ["tool 1.2.3", "tool 1.2.3\n", "tool 1.2.3\r\n"] {
        assert_eq!(judge(whole, said).unwrap(), "prints `tool 1.2.3`");
    }
    let start =
        "{ version = \"{package} {version}\", version-match = \"start\", version-args = [\"-V\"] }";
    for said in ["tool 1.2.3\n", "tool 1.2.3 (rev abc)\n\nfeatures: +x\n", "tool 1.2.3\n+x\n"] {
        judge(start, said).unwrap();
    }
    // Another version is never taken for this one, nor one that is buried in the text.
    for said in [
        "tool 1.2.30",
        "tool 1.2.3.1",
        "tool 1.2.3-rc.1",
        "tool 1.2.3+x",
        "tool 1.2",
        "the tool 1.2.3",
        " tool 1.2.3",
        "tool 1.2.3_1",
        "",
    ] {
        assert!(judge(whole, said).is_err() && judge(start, said).is_err(), "{said}");
    }
    let error = judge(whole, "tool 1.2.3 (rev abc)\n").unwrap_err();
    assert_eq!(
        error,
        "`--version` prints \"tool 1.2.3 (rev abc)\", not \"tool 1.2.3\"; `version-match = \"start\"` in \
         [package.smoke] lets it say more"
    );
    assert_eq!(judge(start, "tool 2\n").unwrap_err(), "`-V` prints \"tool 2\", not \"tool 1.2.3\"");
}
