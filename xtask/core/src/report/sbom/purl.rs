//! Package URLs (ECMA-427, `package-url/purl-spec`).

use alloc::format;
use alloc::string::String;

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// A repository on GitHub at a tag. Owner and name do not tell cases apart: they are lowercase.
pub(super) fn github(repository: &str, tag: &str) -> String {
    format!("pkg:github/{}@{}", repository.to_ascii_lowercase(), encode(tag))
}

/// A crate, from the source that Cargo.lock names.
pub(super) fn cargo(name: &str, version: &str, source: &str) -> String {
    let base = format!("pkg:cargo/{}@{}", encode(name), encode(version));
    match source.split_once('+') {
        Some(("git", url)) => {
            let (url, commit) = url.split_once('#').unwrap_or((url, ""));
            let url = url.split('?').next().unwrap_or_default();
            let commit = if commit.is_empty() { String::new() } else { format!("@{commit}") };
            format!("{base}?vcs_url={}", encode(&format!("git+{url}{commit}")))
        }
        Some((_, "https://github.com/rust-lang/crates.io-index" | "https://index.crates.io/")) => {
            base
        }
        Some((_, registry)) => format!("{base}?repository_url={}", encode(registry)),
        None => base,
    }
}

/// A Go module. Its path's parts are lowercase, as the type demands.
pub(super) fn golang(path: &str, version: &str) -> String {
    let path: alloc::vec::Vec<_> =
        path.split('/').map(|part| encode(&part.to_ascii_lowercase())).collect();
    format!("pkg:golang/{}@{}", path.join("/"), encode(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_writes_them() {
        let index = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(cargo("a-b", "1.0.0+x", index), "pkg:cargo/a-b@1.0.0%2Bx");
        assert_eq!(
            cargo("a", "1.0.0", "git+https://host/r.git?branch=b#0123"),
            "pkg:cargo/a@1.0.0?vcs_url=git%2Bhttps%3A%2F%2Fhost%2Fr.git%400123"
        );
        assert_eq!(
            cargo("a", "1.0.0", "sparse+https://host/index/"),
            "pkg:cargo/a@1.0.0?repository_url=https%3A%2F%2Fhost%2Findex%2F"
        );
        assert_eq!(
            golang("github.com/Owner/Name/v2", "v2.0.0+incompatible"),
            "pkg:golang/github.com/owner/name/v2@v2.0.0%2Bincompatible"
        );
        assert_eq!(github("Owner/Name", "v1.0"), "pkg:github/owner/name@v1.0");
    }
}
