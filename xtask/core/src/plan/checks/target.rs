//! One `[[target]]`: what its triple needs, allows and refuses.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::super::config::{Builder, Target};
use super::super::reader::{At, Problems, Row, suggest};
use super::super::triple::{Libc, NEWEST_GLIBC, Os, TRIPLES, Triple, two_fields};
use super::{plain_name, texts};
use crate::formats::Version;

pub(super) fn target(row: &Row, problems: &mut Problems) -> Option<Target> {
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
            let names: alloc::vec::Vec<_> = TRIPLES.iter().map(|triple| triple.name).collect();
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
        emulated: row.bool("emulated"),
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
pub(super) fn by_digest(at: &At, what: &str, problems: &mut Problems) {
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
