//! From the file as written to the file as valid: every check that needs more than one key's type.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::config::{Archive, Builder, Config, Kind, LinkPolicy, Package, Release, Smoke, Target};
use super::reader::{self, At, Problem, Problems, Row, suggest};
use super::triple::{Libc, NEWEST_GLIBC, Os, TRIPLES, Triple, two_fields};
use crate::formats::Version;

impl Config {
    /// Parses and checks the text of an `xtask.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let raw = reader::read(text, &mut problems);
        let release = release(&raw.release, &mut problems);
        let targets: Vec<_> =
            raw.targets.iter().filter_map(|row| target(row, &mut problems)).collect();
        unique("platform", raw.targets.iter().map(|row| row.text("platform")), &mut problems);
        let platforms: Vec<_> = raw.targets.iter().map(|row| row.text("platform").text).collect();
        let packages: Vec<_> =
            raw.packages.iter().map(|row| package(row, &platforms, &mut problems)).collect();
        unique("package", raw.packages.iter().map(|row| row.text("name")), &mut problems);
        pins(&raw.packages, &packages, &mut problems);
        let config = Self { release, targets, packages };
        config.unique_assets(&raw.packages, &mut problems);
        if problems.0.is_empty() {
            return Ok(config);
        }
        problems.0.sort_by_key(|problem| problem.line);
        Err(problems.0)
    }

    fn unique_assets(&self, rows: &[Row], problems: &mut Problems) {
        let own = [self.release.checksums.clone(), self.release.manifest.clone()];
        let mut seen: Vec<String> = own.into_iter().filter(|name| !name.is_empty()).collect();
        for (package, row) in self.packages.iter().zip(rows) {
            for target in
                self.targets.iter().filter(|target| package.targets.contains(&target.platform))
            {
                let name = package.asset_name(target, "{version}");
                if package.sha256 {
                    seen.push(super::digest_name(&name));
                }
                if seen.contains(&name) {
                    let message = format!(
                        "two assets are named `{}`",
                        name.replace("{version}", "<version>")
                    );
                    problems.add(
                        row.text("asset").line,
                        message,
                        "hold `{package}` and `{platform}` in `asset`",
                    );
                } else {
                    seen.push(name);
                }
            }
        }
    }
}

fn unique(what: &str, names: impl Iterator<Item = At>, problems: &mut Problems) {
    let mut seen: Vec<String> = Vec::new();
    for At { text, line } in names.filter(|at| !at.text.is_empty()) {
        if seen.contains(&text) {
            problems.add(line, format!("a second {what} `{text}`"), "give each a name of its own");
        } else {
            seen.push(text);
        }
    }
}

/// Names that GitHub keeps as they are: it rewrites other characters to dots.
fn plain_name(at: &At, what: &str, problems: &mut Problems) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fine = !at.text.starts_with(['.', '-']) && at.text.chars().all(plain);
    // An empty one was reported when the file was read.
    if !at.text.is_empty() && !fine {
        let cure = "use letters, digits, `.`, `_` and `-`, and begin with a letter or a digit";
        problems.add(at.line, format!("{what} `{}` is not a plain file name", at.text), cure);
    }
}

/// A template's placeholders are known, and the rest of it is a plain name.
fn template(at: &At, known: &[&str], plain: bool, problems: &mut Problems) {
    let mut rest = at.text.clone();
    for name in known {
        rest = rest.replace(&format!("{{{name}}}"), "x");
    }
    if rest.contains(['{', '}']) {
        let names: Vec<_> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
        let message = format!("`{}` holds an unknown placeholder", at.text);
        problems.add(at.line, message, format!("there is {}", names.join(", ")));
    } else if plain {
        plain_name(&At { text: rest, line: at.line }, "a name made from the template", problems);
    }
}

fn release(row: &Row, problems: &mut Problems) -> Release {
    let repository = row.text("repository");
    if !repository.text.is_empty() && !is_repository(&repository.text) {
        let message = format!("`repository` is `{}`", repository.text);
        problems.add(repository.line, message, "write `owner/name`");
    }
    let tag = row.text("tag");
    if !tag.text.is_empty() && tag.text.matches("{version}").count() != 1 {
        let message = format!("`tag` is `{}`", tag.text);
        problems.add(tag.line, message, "hold `{version}` once, as in `v{version}`");
    }
    template(&tag, &["version"], true, problems);
    let (checksums, manifest) = (row.text("checksums"), row.text("manifest"));
    plain_name(&checksums, "`checksums`", problems);
    plain_name(&manifest, "`manifest`", problems);
    if !manifest.text.is_empty() && checksums.text == manifest.text {
        problems.add(manifest.line, "`manifest` and `checksums` are one file", "name them apart");
    }
    Release {
        repository: repository.text,
        tag: tag.text,
        checksums: checksums.text,
        manifest: manifest.text,
    }
}

fn is_repository(text: &str) -> bool {
    let plain = |part: &str| {
        let ok = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(ok)
    };
    text.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

fn target(row: &Row, problems: &mut Problems) -> Option<Target> {
    let platform = row.text("platform");
    plain_name(&platform, "`platform`", problems);
    let name = row.text("triple");
    let builder = match row.text("builder").text.as_str() {
        "zig" => Builder::Zig,
        "container" => Builder::Container,
        _ => Builder::Native,
    };
    let floor = row.optional("glibc-floor");
    let macos_min = row.optional("macos-min");
    let Some(triple) = Triple::find(&name.text) else {
        if !name.text.is_empty() {
            let names: Vec<_> = TRIPLES.iter().map(|triple| triple.name).collect();
            problems.add(
                name.line,
                format!("unknown triple `{}`", name.text),
                suggest(&name.text, &names),
            );
        }
        return None;
    };
    let builder_line = row.text("builder").line;
    match builder {
        Builder::Container if triple.os != Os::Linux => {
            let message = format!("a container cannot build for `{}`", triple.name);
            problems.add(builder_line, message, "use `builder = \"native\"` on its own runner");
        }
        Builder::Zig if triple.libc == Libc::Msvc => {
            let message = format!("zig cannot link `{}`", triple.name);
            problems.add(builder_line, message, "use `builder = \"native\"` on a Windows runner");
        }
        _ => {}
    }
    let image = image(builder, row, problems);
    for at in row.list("userlands") {
        if triple.os == Os::Linux {
            by_digest(at, "`userlands`", problems);
        } else {
            let message = format!("`userlands` on `{}`", triple.name);
            problems.add(at.line, message, "containers run Linux programs only: remove it");
        }
    }
    let glibc_floor = glibc_floor(triple, floor, row.line, problems);
    if triple.os == Os::Darwin {
        match &macos_min {
            None => problems.add(
                row.line,
                format!("`{}` has no `macos-min`", triple.name),
                "add the oldest macOS it must run on, such as `macos-min = \"11.0\"`",
            ),
            Some(at) if two_fields(&at.text).is_none() => {
                problems.add(
                    at.line,
                    format!("`macos-min` is `{}`", at.text),
                    "write `major.minor`",
                );
            }
            Some(_) => {}
        }
    } else if let Some(at) = &macos_min {
        problems.add(
            at.line,
            format!("`macos-min` on `{}`", triple.name),
            "only macOS has one: remove it",
        );
    }
    Some(Target {
        platform: platform.text,
        triple,
        builder,
        runner: row.text("runner").text,
        glibc_floor,
        macos_min: macos_min.and_then(|at| two_fields(&at.text)),
        image,
        userlands: texts(row.list("userlands")),
    })
}

fn image(builder: Builder, row: &Row, problems: &mut Problems) -> Option<String> {
    match (builder, row.optional("image")) {
        (Builder::Container, Some(at)) => {
            by_digest(&at, "`image`", problems);
            Some(at.text)
        }
        (Builder::Container, None) => {
            let message = "`builder = \"container\"` without `image`";
            problems.add(row.line, message, "add the image to build in, as `name:tag@sha256:…`");
            None
        }
        (_, Some(at)) => {
            let cure = "remove it, or build with `container`";
            problems.add(at.line, "only `container` builds in an `image`", cure);
            None
        }
        (_, None) => None,
    }
}

/// A tag can be moved to other bytes; a digest cannot.
fn by_digest(at: &At, what: &str, problems: &mut Problems) {
    let hex = |digest: &str| {
        digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = at
        .text
        .split_once("@sha256:")
        .is_some_and(|(name, digest)| !name.is_empty() && hex(digest));
    if !named {
        let message = format!("{what} holds `{}`, which names no digest", at.text);
        problems.add(at.line, message, "write `name:tag@sha256:` and 64 hexadecimal digits");
    }
}

fn glibc_floor(
    triple: &Triple,
    floor: Option<At>,
    line: usize,
    problems: &mut Problems,
) -> Option<Version> {
    match (triple.oldest_glibc, floor) {
        (None, None) => None,
        (None, Some(at)) => {
            let message = format!("`glibc-floor` on `{}`", triple.name);
            problems.add(at.line, message, "only `-linux-gnu` targets have one: remove it");
            None
        }
        (Some(oldest), None) => {
            let message = format!("`{}` has no `glibc-floor`", triple.name);
            let cure = format!(
                "add the oldest glibc it must run on, such as `glibc-floor = \"{oldest}\"`"
            );
            problems.add(line, message, cure);
            None
        }
        (Some(_), Some(at)) => match check_floor(triple, &at.text) {
            Ok(version) => Some(version),
            Err((message, cure)) => {
                problems.add(at.line, message, cure);
                None
            }
        },
    }
}

/// A floor that can be promised for a triple.
///
/// # Errors
/// A message and a cure, when it is no release of glibc, older than Rust's std runs on, or unknown
/// to the pinned zig (cargo-zigbuild would replace it silently).
pub fn check_floor(triple: &Triple, text: &str) -> Result<Version, (String, String)> {
    let Some(oldest) = triple.oldest_glibc else {
        let message = format!("`{}` has no glibc", triple.name);
        return Err((message, "leave the floor out".to_owned()));
    };
    let range = format!("write a release from `{oldest}` to `{NEWEST_GLIBC}`");
    match two_fields(text) {
        None => Err((format!("`{text}` is no glibc release"), range)),
        Some(version) if version < oldest => {
            let why = format!(
                "no Rust program for `{}` runs on a glibc older than {oldest}",
                triple.name
            );
            Err((format!("the floor {version} is impossible: {why}"), range))
        }
        Some(version) if version > NEWEST_GLIBC => {
            let why = format!(
                "the newest that the pinned zig knows is {NEWEST_GLIBC}, and it would take another silently"
            );
            Err((format!("the floor {version} is impossible: {why}"), range))
        }
        Some(version) => Ok(version),
    }
}

/// A pin names a package that is built before, for every platform of the one that pins it.
fn pins(rows: &[Row], packages: &[Package], problems: &mut Problems) {
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

/// Keys that only one kind of package has.
fn only_for(kind: Kind, row: &Row, problems: &mut Problems) {
    let lists: &[&str] = if kind == Kind::Go { &[] } else { &["ldflags", "pins"] };
    for at in lists.iter().filter_map(|name| row.list(name).first()) {
        problems.add(
            at.line,
            "`ldflags` and `pins` on a package of kind `rust`",
            "only Go packages have them: remove them",
        );
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

fn include(row: &Row, problems: &mut Problems) -> Vec<String> {
    let listed = row.list("include");
    if let Some(at) = listed.first().filter(|_| row.text("archive").text == "none") {
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

fn package(row: &Row, platforms: &[String], problems: &mut Problems) -> Package {
    let name = row.text("name");
    plain_name(&name, "`name`", problems);
    let kind = if row.text("kind").text == "go" { Kind::Go } else { Kind::Rust };
    let binary = row.optional("binary").unwrap_or_else(|| name.clone());
    plain_name(&binary, "`binary`", problems);
    let asset = row.text("asset");
    template(&asset, &["package", "platform", "version"], true, problems);
    let smoke = row.row("smoke").map_or_else(
        || Smoke { version: String::new(), help: false, dlopen: false },
        |row| {
            let version = row.text("version");
            template(&version, &["package", "version"], false, problems);
            if !version.text.contains("{version}") {
                let message = format!("`version` in [package.smoke] is `{}`", version.text);
                problems.add(
                    version.line,
                    message,
                    "hold `{version}`, or the check proves nothing",
                );
            }
            Smoke { version: version.text, help: row.bool("help"), dlopen: row.bool("dlopen") }
        },
    );
    only_for(kind, row, problems);
    Package {
        crt_static: row.text("crt").text == "static",
        ldflags: ldflags(row, problems),
        pins: texts(row.list("pins")),
        archive: Archive::find(&row.text("archive").text),
        include: include(row, problems),
        sha256: row.bool("sha256"),
        targets: package_targets(row, platforms, problems),
        policy: row.row("policy").map_or_else(LinkPolicy::open, |row| policy(row, problems)),
        system_packages: system_packages(row, platforms, problems),
        kind,
        path: row.text("path").text,
        binary: binary.text,
        profile: row.text("profile").text,
        asset: asset.text,
        version_env: row.optional("version-env").map(|at| at.text),
        smoke,
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

fn texts(list: &[At]) -> Vec<String> {
    list.iter().map(|at| at.text.to_string()).collect()
}
