//! Release notes, and what a version says about a release.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The section of a version in a changelog (Keep a Changelog: `## [1.2.3] - 2026-01-31`; also
/// `## 1.2.3` and `## v1.2.3`), without its heading. `None` when there is no such section.
pub fn section(changelog: &str, version: &str) -> Option<String> {
    let mut lines = changelog.lines();
    lines.find(|line| heading(line) == Some(version))?;
    let body: Vec<&str> = lines.take_while(|line| heading(line).is_none()).collect();
    let text = body.join("\n");
    Some(text.trim().to_owned())
}

/// The version that a heading of the second level names; empty for one that names none.
fn heading(line: &str) -> Option<&str> {
    let text = line.strip_prefix("## ")?.trim_start();
    let text = text.strip_prefix('[').unwrap_or(text);
    let end = text.find([']', ' ', '\t', '(']).unwrap_or(text.len());
    let name = text.get(..end)?;
    Some(name.strip_prefix('v').unwrap_or(name))
}

/// Whether a version is a pre-release (Semantic Versioning 2.0.0, section 9): a hyphen before any `+`.
pub fn is_prerelease(version: &str) -> bool {
    version.split('+').next().is_some_and(|core| core.contains('-'))
}

/// Whether `version` is stable and no published tag of this template names a higher stable version.
pub fn is_highest<'a>(
    version: &str,
    template: &str,
    published: impl IntoIterator<Item = &'a str>,
) -> bool {
    let Some(own) = stable(version) else { return false };
    let (before, after) = template.split_once("{version}").unwrap_or((template, ""));
    published
        .into_iter()
        .filter_map(|tag| stable(tag.strip_prefix(before)?.strip_suffix(after)?))
        .all(|other| other <= own)
}

/// Major, minor and patch of a stable version; build metadata does not count (section 10).
fn stable(version: &str) -> Option<(u64, u64, u64)> {
    if is_prerelease(version) {
        return None;
    }
    let mut numbers = version.split('+').next()?.split('.').map(|part| part.parse().ok());
    let numbers = (numbers.next()??, numbers.next()??, numbers.next()??, numbers.next());
    let (major, minor, patch, None) = numbers else { return None };
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n- soon\n\n## [1.2.3] - 2026-01-31\n\n### Added\n- it\n\n## v1.2.30\n\n## 1.2\n- old\n";

    #[test]
    fn a_section_is_found_by_its_whole_version() {
        assert_eq!(section(CHANGELOG, "1.2.3").as_deref(), Some("### Added\n- it"));
        assert_eq!(section(CHANGELOG, "1.2.30").as_deref(), Some(""));
        assert_eq!(section(CHANGELOG, "1.2").as_deref(), Some("- old"));
        assert_eq!(section(CHANGELOG, "1.2.4"), None);
        assert_eq!(
            section(&CHANGELOG.replace('\n', "\r\n"), "1.2.3").as_deref(),
            Some("### Added\n- it")
        );
    }

    #[test]
    fn prereleases() {
        assert!(is_prerelease("1.0.0-rc.1"));
        assert!(is_prerelease("1.0.0-rc.1+b"));
        assert!(!is_prerelease("1.0.0"));
        assert!(!is_prerelease("1.0.0+build-5"));
    }

    #[test]
    fn latest_is_the_highest_stable_version_only() {
        let published = ["v1.2.10", "v2.0.0-rc.1", "nightly", "v1.2"];
        assert!(is_highest("1.3.0", "v{version}", published));
        assert!(is_highest("1.2.10", "v{version}", published));
        assert!(!is_highest("1.2.9", "v{version}", published));
        assert!(!is_highest("3.0.0-rc.1", "v{version}", published));
        assert!(!is_highest("1.2.9", "v{version}", ["v2.0.0"]));
    }
}
