//! What several tests start from.

/// A small valid file; tests change it.
pub(crate) const GOOD: &str = r#"
[release]
repository = "owner/name"

[[target]]
platform = "linux-amd64"
triple = "x86_64-unknown-linux-gnu"
builder = "zig"
runner = "ubuntu-24.04"
glibc-floor = "2.17"

[[target]]
platform = "darwin-arm64"
triple = "aarch64-apple-darwin"
builder = "native"
runner = "macos-15"
macos-min = "11.0"

[[package]]
name = "tool"
kind = "rust"
path = "tool"
targets = ["linux-amd64", "darwin-arm64"]
"#;
