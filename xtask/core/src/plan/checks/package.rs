//! One `[[package]]`: keys of its kind, templates, names, and what it pins.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::config::{Archive, Kind, LinkPolicy, Package, Smoke};
use super::super::reader::{At, Problems, Row, suggest};
use super::{plain_name, template, texts, unique};

/// A pin names a package that is built before, for every platform of the one that pins it.
pub(super) fn pins(rows: &[Row], packages: &[Package], problems: &mut Problems) {
    for (row, package) in rows.iter().zip(packages) {
        for at in row.list("pins") {
            let Some(pinned) =
                packages.iter().find(|p| p.name == at.text && p.name != package.name)
            else {
                let names: Vec<_> = packages
                    .iter()
                    .map(|p| p.name.as_str())
                    .filter(|n| *n != package.name)
                    .collect();
                let message = format!("`pins` names `{}`, which is no other package", at.text);
                problems.add(at.line, message, suggest(&at.text, &names));
                continue;
            };
            if !pinned.pins.is_empty() {
                let message = format!("`pins` names `{}`, which pins others itself", at.text);
                problems.add(at.line, message, "pin packages that pin nothing");
            }
            if let Some(platform) = package.targets.iter().find(|t| !pinned.targets.contains(t)) {
                let message = format!(
                    "`{}` is not built for `{platform}`, so it cannot be pinned there",
                    at.text
                );
                problems.add(at.line, message, "add the platform to its `targets`");
            }
        }
    }
}

/// Keys that only some kinds of package have.
fn only_for(kind: Kind, row: &Row, problems: &mut Problems) {
    const RUST: &[Kind] = &[Kind::Rust];
    const GO: &[Kind] = &[Kind::Go];
    const PREBUILT: &[Kind] = &[Kind::Prebuilt];
    let keys = [
        ("binaries", row.list("binaries").first().cloned(), RUST),
        ("features", row.list("features").first().cloned(), RUST),
        ("build-tags", row.list("build-tags").first().cloned(), GO),
        ("ldflags", row.list("ldflags").first().cloned(), GO),
        ("pins", row.list("pins").first().cloned(), GO),
        ("origin", row.optional("origin"), PREBUILT),
    ];
    for (key, at, kinds) in keys {
        if let Some(at) = at.filter(|_| !kinds.contains(&kind)) {
            let names: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.name())).collect();
            let message = format!("`{key}` on a package of kind `{}`", kind.name());
            let cure = format!("only packages of kind {} have it: remove it", names.join(", "));
            problems.add(at.line, message, cure);
        }
    }
    let calls = row.row("smoke").and_then(|smoke| smoke.list("calls").first());
    if let Some(at) = calls.filter(|_| row.list("pins").is_empty()) {
        let cure = "add the program that it calls to `pins`, or remove `calls`";
        problems.add(at.line, "`calls` in [package.smoke] of a package without `pins`", cure);
    }
    if kind == Kind::Prebuilt && row.optional("origin").is_none() {
        let cure = "add `origin`: who built it, such as `origin = \"goreleaser\"`";
        problems.add(row.line, "a package of kind `prebuilt` has no `origin`", cure);
    }
}

/// A folder; of a prebuilt package, a template of the program's own path, a different one per platform.
fn path(kind: Kind, row: &Row, problems: &mut Problems) -> String {
    let at = row.text("path");
    if kind == Kind::Prebuilt {
        template(&at, Package::PATH_PLACEHOLDERS, false, problems);
        let several = row.list("targets").len() > 1;
        let apart = at.text.contains("{platform}")
            || at.text.contains("{goos}") && at.text.contains("{goarch}");
        if several && !apart && !at.text.is_empty() {
            let message = format!("`path` is `{}` for every platform", at.text);
            problems.add(at.line, message, "hold `{platform}`, or `{goos}` and `{goarch}`");
        }
    }
    at.text
}

fn smoke(row: &Row, problems: &mut Problems) -> Smoke {
    let version = row.text("version");
    template(&version, &["package", "binary", "version"], false, problems);
    if !version.text.contains("{version}") {
        let message = format!("`version` in [package.smoke] is `{}`", version.text);
        problems.add(version.line, message, "hold `{version}`, or the check proves nothing");
    }
    let args = |key: &str, usual: &str| match row.list(key) {
        [] => [usual.to_owned()].into(),
        list => texts(list),
    };
    Smoke {
        says_more: row.text("version-match").text == "start",
        version_args: args("version-args", "--version"),
        help_args: args("help-args", "--help"),
        version: version.text,
        help: row.bool("help"),
        dlopen: row.bool("dlopen"),
        calls: texts(row.list("calls")),
    }
}

fn ldflags(row: &Row, problems: &mut Problems) -> Vec<String> {
    let pins: Vec<_> = row.list("pins").iter().map(|at| format!("sha256:{}", at.text)).collect();
    let known: Vec<_> =
        ["version", "commit"].into_iter().chain(pins.iter().map(String::as_str)).collect();
    for at in row.list("ldflags") {
        template(at, &known, false, problems);
        if at.text.contains(['\'', '"', '\\']) {
            let message = format!("`{}` holds a quote or a backslash", at.text);
            problems.add(at.line, message, "write the flag plainly");
        }
    }
    texts(row.list("ldflags"))
}

/// The main program, and the others.
fn binaries(row: &Row, package: &At, problems: &mut Problems) -> (String, Vec<String>) {
    let listed = row.list("binaries");
    let single = row.optional("binary");
    if let (Some(at), false) = (&single, listed.is_empty()) {
        problems.add(at.line, "both `binary` and `binaries`", "list all in `binaries`");
    }
    unique("program", listed.iter().cloned(), problems);
    for at in single.iter().chain(listed) {
        plain_name(at, "a program's name", problems);
    }
    if let Some(at) = listed.get(1).filter(|_| archives(row).iter().any(Option::is_none)) {
        problems.add(at.line, "several `binaries` without an archive", "set `archive`");
    }
    match listed {
        [first, others @ ..] => (first.text.clone(), texts(others)),
        [] => (single.unwrap_or_else(|| package.clone()).text, Vec::new()),
    }
}

/// Names that a tool takes as one list, separated by commas.
fn names(row: &Row, key: &str, problems: &mut Problems) -> Vec<String> {
    for at in row.list(key) {
        if at.text.is_empty() || at.text.contains([',', ' ']) {
            problems.add(
                at.line,
                format!("`{key}` holds `{}`", at.text),
                "write one name in each entry",
            );
        }
    }
    texts(row.list(key))
}

fn include(row: &Row, problems: &mut Problems) -> Vec<String> {
    let listed = row.list("include");
    if let Some(at) = listed.first().filter(|_| archives(row).iter().all(Option::is_none)) {
        problems.add(at.line, "`include` without an archive", "set `archive`, or remove it");
    }
    let name = |at: &At| at.text.rsplit('/').next().unwrap_or_default().to_owned();
    unique(
        "file packed as",
        listed.iter().map(|at| At { text: name(at), line: at.line }),
        problems,
    );
    texts(listed)
}

/// How it is packed, and how for Windows.
fn archives(row: &Row) -> [Option<Archive>; 2] {
    let usual = row.text("archive");
    let windows = row.optional("archive-windows").unwrap_or_else(|| usual.clone());
    [usual, windows].map(|at| Archive::find(&at.text))
}

pub(super) fn package(row: &Row, platforms: &[String], problems: &mut Problems) -> Package {
    let name = row.text("name");
    plain_name(&name, "`name`", problems);
    let kind = match row.text("kind").text.as_str() {
        "go" => Kind::Go,
        "prebuilt" => Kind::Prebuilt,
        _ => Kind::Rust,
    };
    let (binary, other_binaries) = binaries(row, &name, problems);
    let asset = row.text("asset");
    template(&asset, &["package", "platform", "triple", "version"], true, problems);
    only_for(kind, row, problems);
    let [archive, archive_windows] = archives(row);
    Package {
        features: names(row, "features", problems),
        no_default_features: !row.bool("default-features"),
        build_tags: names(row, "build-tags", problems),
        crt_static: row.text("crt").text == "static",
        ldflags: ldflags(row, problems),
        pins: texts(row.list("pins")),
        archive,
        archive_windows,
        include: include(row, problems),
        sha256: row.bool("sha256"),
        targets: package_targets(row, platforms, problems),
        policy: row.row("policy").map_or_else(LinkPolicy::open, |row| policy(row, problems)),
        system_packages: system_packages(row, platforms, problems),
        kind,
        path: path(kind, row, problems),
        origin: row.optional("origin").map(|at| at.text),
        binary,
        other_binaries,
        profile: row.text("profile").text,
        asset: asset.text,
        version_env: row.optional("version-env").map(|at| at.text),
        smoke: row.row("smoke").map_or_else(Smoke::default, |row| smoke(row, problems)),
        name: name.text,
    }
}

fn package_targets(row: &Row, platforms: &[String], problems: &mut Problems) -> Vec<String> {
    let listed = row.list("targets");
    let known: Vec<_> = platforms.iter().map(String::as_str).collect();
    if listed.is_empty() && !row.text("name").text.is_empty() {
        let message = format!("package `{}` has no targets", row.text("name").text);
        problems.add(row.line, message, "list at least one platform in `targets`");
    }
    unique("target", listed.iter().cloned(), problems);
    for at in listed.iter().filter(|at| !platforms.contains(&at.text)) {
        let message = format!("`targets` names `{}`, which no [[target]] has", at.text);
        problems.add(at.line, message, suggest(&at.text, &known));
    }
    platforms.iter().filter(|name| listed.iter().any(|at| at.text == **name)).cloned().collect()
}

const LIBCS: &[&str] = &["gnu", "musl", "darwin", "msvc", "mingw"];

fn is_libc(at: &At, problems: &mut Problems) {
    if !LIBCS.contains(&at.text.as_str()) {
        problems.add(at.line, format!("unknown libc `{}`", at.text), suggest(&at.text, LIBCS));
    }
}

fn policy(row: &Row, problems: &mut Problems) -> LinkPolicy {
    let is_static = row.text("linkage").text == "static";
    let needed = row.lists("needed");
    for (libc, list) in needed {
        is_libc(libc, problems);
        if is_static && !list.is_empty() {
            problems.add(
                libc.line,
                "`needed` with `linkage = \"static\"`",
                "a static program needs nothing: remove it",
            );
        }
    }
    for libc in row.list("self-launching") {
        is_libc(libc, problems);
    }
    LinkPolicy {
        is_static,
        needed: needed.iter().map(|(libc, list)| (libc.text.clone(), texts(list))).collect(),
        self_launching: texts(row.list("self-launching")),
    }
}

impl LinkPolicy {
    fn open() -> Self {
        Self { is_static: false, needed: BTreeMap::new(), self_launching: Vec::new() }
    }
}

fn system_packages(
    row: &Row,
    platforms: &[String],
    problems: &mut Problems,
) -> BTreeMap<String, Vec<String>> {
    let known: Vec<_> = platforms.iter().map(String::as_str).collect();
    for (platform, _) in row.lists("system-packages") {
        if !platforms.contains(&platform.text) {
            let message =
                format!("`system-packages` names `{}`, which no [[target]] has", platform.text);
            problems.add(platform.line, message, suggest(&platform.text, &known));
        }
    }
    row.lists("system-packages")
        .iter()
        .map(|(platform, list)| (platform.text.clone(), texts(list)))
        .collect()
}
