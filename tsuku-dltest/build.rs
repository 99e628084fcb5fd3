//! Link arguments of the program; see `src/sys/launch.rs` for the why.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(self_launching)");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // What `--version --verbose` says of the build.
    let libc = match (target("OS").as_str(), target("ENV").as_str()) {
        ("linux", "gnu") => "glibc",
        ("linux", "musl") => "musl",
        _ => "the system's",
    };
    println!("cargo::rustc-env=TSUKU_DLTEST_LIBC={libc}");
    let known_loader = matches!(target("ENV").as_str(), "gnu" | "musl")
        && matches!(target("ARCH").as_str(), "x86_64" | "aarch64")
        && target("POINTER_WIDTH") == "64"
        && target("ENDIAN") == "little";
    if target("OS") == "linux" && known_loader {
        println!("cargo::rustc-cfg=self_launching");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-dynamic-linker,-e,_launch");
    }
    if target("ENV") == "musl" {
        // Without `std`, nothing else asks for it.
        println!("cargo::rustc-link-lib=c");
    }
}
