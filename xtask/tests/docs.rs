//! Generated pages are what their tables make.

use std::process::Command;

#[test]
fn generated_pages_are_up_to_date() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for folder in ["", "/examples/tsuku", "/examples/sayna"] {
        let root = format!("{root}{folder}");
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["--root", &root, "docs", "--check"])
            .output()
            .expect("the built xtask starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
