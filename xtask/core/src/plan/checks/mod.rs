//! From the file as written to the file as valid: every check that needs more than one key's type.

mod image;
mod package;
mod target;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use self::image::image;
use self::package::{package, pins};
use self::target::target;
use super::config::{Config, Package, Release};
use super::reader::{self, At, Problem, Problems, Row};
use super::triple::Os;

pub use self::target::check_floor;

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
        let images: Vec<_> =
            raw.images.iter().map(|row| image(row, &packages, &mut problems)).collect();
        unique("image", raw.images.iter().map(|row| row.text("name")), &mut problems);
        let config = Self { release, targets, packages, images };
        config.unique_assets(&raw.packages, &mut problems);
        config.only_linux_images(&raw.images, &mut problems);
        if problems.0.is_empty() {
            return Ok(config);
        }
        problems.0.sort_by_key(|problem| problem.line);
        Err(problems.0)
    }

    /// An image holds a Linux program.
    fn only_linux_images(&self, rows: &[Row], problems: &mut Problems) {
        for at in rows.iter().flat_map(|row| row.list("targets")) {
            if self.target(&at.text).is_some_and(|target| target.triple.os != Os::Linux) {
                let message = format!("an image for `{}`", at.text);
                problems.add(at.line, message, "images hold Linux programs only: remove it");
            }
        }
    }

    fn unique_assets(&self, rows: &[Row], problems: &mut Problems) {
        let Release { checksums, manifest, provenance, .. } = &self.release;
        let own = [checksums, manifest, provenance].map(String::clone);
        let sboms = self.packages.iter().map(Package::sbom_name);
        let mut seen: Vec<String> =
            own.into_iter().chain(sboms).filter(|name| !name.is_empty()).collect();
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
                        "hold `{package}` and `{platform}`, or `{triple}`, in `asset`",
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
    let own = ["checksums", "manifest", "provenance"].map(|key| (key, row.text(key)));
    for (i, (key, at)) in own.iter().enumerate() {
        plain_name(at, &format!("`{key}`"), problems);
        let same = own.iter().take(i).find(|(_, other)| other.text == at.text);
        if let Some((other, _)) = same.filter(|_| !at.text.is_empty()) {
            let message = format!("`{key}` and `{other}` are one file");
            problems.add(at.line, message, "name them apart");
        }
    }
    let [checksums, manifest, provenance] = own.map(|(_, at)| at.text);
    Release { repository: repository.text, tag: tag.text, checksums, manifest, provenance }
}

fn is_repository(text: &str) -> bool {
    let plain = |part: &str| {
        let ok = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(ok)
    };
    text.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

fn texts(list: &[At]) -> Vec<String> {
    list.iter().map(|at| at.text.to_string()).collect()
}
