//! A small shared library for a target's libc, made on the spot: what a dlopen is proven with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest as _, Sha256};
use xtask_core::plan::{Builder, Invocation, Libc, Os, Target};

use super::files;
use super::proc::{self, Output};
use super::tools::{self, text};

/// It needs its libc (`puts`), so that a loader of another libc cannot load it by accident.
const SOURCE: &str =
    "#include <stdio.h>\nint smoke_answer(void) { return puts(\"\") < 0 ? 0 : 42; }\n";

/// Builds the library, or finds the one built before: kept by the content of source and command.
pub(crate) fn loadable(target: &Target) -> anyhow::Result<PathBuf> {
    let (compiler, version) = compiler(target)?;
    let mut key = Sha256::new();
    for part in [SOURCE, &compiler.to_string(), &version] {
        key.update(part.as_bytes());
        key.update([0]);
    }
    let key = hex::encode(key.finalize());
    let folder = tools::folder()?.join("smoke").join(key.get(..16).unwrap_or_default());
    let library = folder.join("good.so");
    let _lock = files::Lock::take(&folder.join("lock"), "a library for the smoke test")?;
    if !library.is_file() {
        build(&compiler, &folder, &library).context("cannot build a library to load")?;
    }
    Ok(library)
}

fn build(compiler: &Invocation, folder: &Path, library: &Path) -> anyhow::Result<()> {
    let source = folder.join("good.c");
    files::replace(&source, SOURCE.as_bytes())?;
    let made = files::temporary(library);
    let run = compiler.clone().args(["-o", &text(&made)?, &text(&source)?]);
    proc::check(&run, Output::Capture)?;
    std::fs::rename(&made, library).with_context(|| format!("cannot make `{}`", library.display()))
}

/// The C compiler for shared libraries of a target, without input and output; and its version.
fn compiler(target: &Target) -> anyhow::Result<(Invocation, String)> {
    let shared = if target.triple.os == Os::Darwin { "-dynamiclib" } else { "-shared" };
    if target.builder == Builder::Native {
        let version = proc::read(&Invocation::new("cc").arg("--version"))?;
        return Ok((Invocation::new("cc").args([shared, "-fPIC", "-O1"]), version));
    }
    let zig = tools::ZIG.provision()?;
    let cache = text(&tools::folder()?.join("cache").join("zig"))?;
    let compiler = Invocation::new(text(&zig)?)
        .args(["cc", "-target", &zig_target(target), shared, "-fPIC", "-O1"])
        .env("ZIG_GLOBAL_CACHE_DIR", cache.clone())
        .env("ZIG_LOCAL_CACHE_DIR", cache);
    Ok((compiler, tools::ZIG.version.to_owned()))
}

/// A glibc target as zig's list of symbols spells it.
pub(crate) fn zig_abi(target: &Target) -> String {
    let (arch, rest) = target.triple.name.split_once("-unknown-").unwrap_or_default();
    let arch = match arch {
        "i686" => "x86",
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        arch => arch,
    };
    format!("{arch}-{rest}")
}

/// zig's spelling of a target.
fn zig_target(target: &Target) -> String {
    let arch = target.triple.name.split('-').next().unwrap_or_default();
    match (target.triple.libc, target.glibc_floor) {
        (Libc::Gnu, Some(floor)) => format!("{arch}-linux-gnu.{floor}"),
        (Libc::Gnu, None) => format!("{arch}-linux-gnu"),
        (Libc::Musl, _) => format!("{arch}-linux-musl"),
        (Libc::System, _) => format!("{arch}-macos"),
        (Libc::Msvc | Libc::MingW, _) => format!("{arch}-windows-gnu"),
    }
}
