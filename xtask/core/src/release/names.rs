//! Names that may be sent to a forge. Checked before use: nothing from outside reaches a program's
//! arguments, a path or an address unchecked.

use alloc::format;
use alloc::string::String;

/// The longest asset name.
const LONGEST: usize = 200;

/// An asset name: `[A-Za-z0-9._-]`, because GitHub rewrites everything else to dots, and not starting
/// with a dot or a dash.
///
/// # Errors
/// What is wrong with it.
pub fn check_asset(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let cause = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 200 bytes"
    } else if !name.chars().all(allowed) {
        "only `A-Z a-z 0-9 . _ -` survive an upload unchanged"
    } else if name.starts_with(['.', '-']) || name.contains("..") {
        "it starts with `.` or `-`, or holds `..`"
    } else {
        return Ok(());
    };
    Err(format!("asset name `{}`: {cause}; rename the file", name.escape_debug()))
}

/// A tag: what git allows (gitglossary, `git check-ref-format`) and no program takes for an option, a
/// pattern or a path outside: segments of `[A-Za-z0-9._+-]`.
///
/// # Errors
/// What is wrong with it.
pub fn check_tag(tag: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let sound = |segment: &str| {
        !segment.is_empty()
            && segment.chars().all(allowed)
            && !segment.starts_with(['.', '-'])
            && !segment.ends_with('.')
            && !segment.ends_with(".lock")
            && !segment.contains("..")
    };
    if tag.len() <= LONGEST && tag.split('/').all(sound) {
        return Ok(());
    }
    Err(format!(
        "tag `{}` is not usable: give letters, digits and `. _ + -`, for example v1.2.3",
        tag.escape_debug()
    ))
}

/// A repository, `owner/name`, as GitHub allows them.
///
/// # Errors
/// What is wrong with it.
pub fn check_repository(repository: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let sound = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part.chars().all(allowed)
            && !part.starts_with(['.', '-'])
    };
    match repository.split_once('/') {
        Some((owner, name)) if sound(owner) && sound(name) => Ok(()),
        _ => Err(format!(
            "repository `{}` is not of the form owner/name; set [release] repository in xtask.toml",
            repository.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_change_or_escape_are_refused() {
        for good in ["tsuku-dltest-linux-amd64", "checksums.txt", "a_b.tar.gz", "A"] {
            assert_eq!(check_asset(good), Ok(()));
        }
        for bad in [
            "", "a b", "../x", "a/b", "..", ".hidden", "-x", "a..b", "é", "a*", "a?", "a[", "a#",
            "a\n",
        ] {
            assert!(check_asset(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_that_git_or_a_program_would_misread_are_refused() {
        for good in ["v1.2.3", "1.0.0-rc.1", "v1.0.0+build.5", "helper/v2.0"] {
            assert_eq!(check_tag(good), Ok(()));
        }
        for bad in [
            "", "-v1", "v1..2", "v 1", "v1/", "/v1", "v~1", "v^", "v1.lock", "a/../b", "v1?x=1",
            "v1#f", "v%2f",
        ] {
            assert!(check_tag(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn repositories() {
        assert_eq!(check_repository("owner/some.repo_1"), Ok(()));
        for bad in ["", "owner", "/x", "o/", "o/r/x", "o o/r", "../r", "o/..", "o/r?x"] {
            assert!(check_repository(bad).is_err(), "{bad:?}");
        }
    }
}
