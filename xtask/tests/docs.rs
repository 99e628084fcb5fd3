//! Generated pages are what their tables make.

use std::process::Command;

#[test]
fn generated_pages_are_up_to_date() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for root in [root.to_owned(), format!("{root}/examples/tsuku")] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["--root", &root, "docs", "--check"])
            .output()
            .expect("the built xtask starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
