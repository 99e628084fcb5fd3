//! One `[[image]]`: a package of the plan, a base by digest, a user that is not root, tags that can be made.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::config::{Image, Package};
use super::super::reader::{At, Problems, Row, suggest};
use super::target::by_digest;
use super::{plain_name, template, texts, unique};

/// Placeholders of `tags`.
const OF_TAGS: &[&str] = &["version", "major", "minor"];

pub(super) fn image(row: &Row, packages: &[Package], problems: &mut Problems) -> Image {
    let name = row.text("name");
    plain_name(&name, "`name`", problems);
    let wanted = row.text("package");
    let package = packages.iter().find(|package| package.name == wanted.text);
    if package.is_none() && !wanted.text.is_empty() {
        let known: Vec<_> = packages.iter().map(|p| p.name.as_str()).collect();
        let message = format!("`package` names `{}`, which no [[package]] has", wanted.text);
        problems.add(wanted.line, message, suggest(&wanted.text, &known));
    }
    repository(&row.text("repository"), problems);
    let base = row.text("base");
    if !base.text.is_empty() {
        by_digest(&base, "`base`", problems);
    }
    user(&row.text("user"), problems);
    for at in row.list("ports") {
        let number = at.text.split_once('/').filter(|(_, kind)| matches!(*kind, "tcp" | "udp"));
        if !number.is_some_and(|(number, _)| number.parse::<u16>().is_ok_and(|port| port != 0)) {
            let message = format!("`ports` holds `{}`", at.text);
            problems.add(at.line, message, "write it as `3001/tcp`");
        }
    }
    tags(row, problems);
    Image {
        targets: targets(row, package, problems),
        name: name.text,
        package: wanted.text,
        repository: row.text("repository").text,
        base: base.text,
        user: row.text("user").text,
        args: texts(row.list("args")),
        ports: texts(row.list("ports")),
        description: row.text("description").text,
        licenses: row.text("licenses").text,
        tags: texts(row.list("tags")),
        probe: texts(row.list("probe")),
    }
}

/// With its registry: without one, docker means Docker Hub and others mean what their machine says.
fn repository(at: &At, problems: &mut Problems) {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let part = |text: &str| !text.is_empty() && text.chars().all(ok);
    let fine = at.text.split_once('/').is_some_and(|(registry, path)| {
        let host = registry.split_once(':').map_or(registry, |(host, _)| host);
        let port = registry.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
        part(host)
            && port
            && (host.contains('.') || host == "localhost")
            && path.split('/').all(part)
    });
    if !at.text.is_empty() && !fine {
        let message = format!("`repository` is `{}`", at.text);
        problems.add(
            at.line,
            message,
            "write registry and path, as `registry.example/owner/name`, in lower case",
        );
    }
}

fn user(at: &At, problems: &mut Problems) {
    let ids: Vec<_> = at.text.split(':').map(str::parse::<u32>).collect();
    let fine = matches!(ids[..], [Ok(user)] | [Ok(user), Ok(_)] if user != 0);
    if !fine {
        let message = format!("`user` is `{}`", at.text);
        let cure =
            "write numbers that are not root's, as `65532:65532`: a name may be root's in the base";
        problems.add(at.line, message, cure);
    }
}

fn targets(row: &Row, package: Option<&Package>, problems: &mut Problems) -> Vec<String> {
    let listed = row.list("targets");
    unique("target", listed.iter().cloned(), problems);
    if listed.is_empty() && !row.text("name").text.is_empty() {
        let message = format!("image `{}` has no targets", row.text("name").text);
        problems.add(row.line, message, "list at least one platform in `targets`");
    }
    if let Some(package) = package {
        let known: Vec<_> = package.targets.iter().map(String::as_str).collect();
        for at in listed.iter().filter(|at| !package.targets.contains(&at.text)) {
            let message = format!(
                "`targets` names `{}`, and `{}` is not released for it",
                at.text, package.name
            );
            problems.add(at.line, message, suggest(&at.text, &known));
        }
    }
    texts(listed)
}

/// The first tag is the version's own; a tag is at most 128 of some characters (OCI distribution spec 1.1,
/// "Pulling manifests").
fn tags(row: &Row, problems: &mut Problems) {
    let listed = row.list("tags");
    if !listed.first().is_some_and(|at| at.text.contains("{version}")) {
        let line = listed.first().map_or(row.line, |at| at.line);
        let cure = "begin `tags` with one that holds `{version}`: every release has a name that never moves";
        problems.add(line, "the first of `tags` is not of one version", cure);
    }
    unique("tag", listed.iter().cloned(), problems);
    for at in listed {
        template(at, OF_TAGS, true, problems);
    }
}
