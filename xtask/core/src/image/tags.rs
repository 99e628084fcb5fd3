//! Which tags a release gives its image. A tag that moves goes to stable releases, and only forward.

use alloc::string::String;
use alloc::vec::Vec;

use crate::plan::Image;
use crate::release::notes::{is_highest, is_prerelease};

/// The tags of a version, the one that never moves first. `template` and `published` are the release's
/// tags: those of the releases that users can see.
pub fn tags(image: &Image, version: &str, template: &str, published: &[String]) -> Vec<String> {
    let numbers: Vec<&str> = version.split(['.', '-', '+']).collect();
    let [major, minor, ..] = numbers[..] else { return Vec::new() };
    let all = || published.iter().map(String::as_str);
    let (before, _) = template.split_once("{version}").unwrap_or((template, ""));
    let highest_of =
        |start: String| is_highest(version, template, all().filter(|tag| tag.starts_with(&start)));
    let moves_here = |tag: &&String| {
        // Where a tag names less of a version, more releases compete for it.
        let start = match (tag.contains("{major}"), tag.contains("{minor}")) {
            _ if tag.contains("{version}") => return true,
            (true, true) => alloc::format!("{before}{major}.{minor}."),
            (true, false) => alloc::format!("{before}{major}."),
            _ => String::new(),
        };
        !is_prerelease(version) && highest_of(start)
    };
    // Build metadata's `+` stands in no tag (OCI distribution specification 1.1).
    let fill = |tag: &String| {
        let version = version.replace('+', "-");
        tag.replace("{version}", &version).replace("{major}", major).replace("{minor}", minor)
    };
    image.tags.iter().filter(moves_here).map(fill).collect()
}
