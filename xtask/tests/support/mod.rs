//! What the integration tests share: the built xtask in a scrubbed environment, scratch folders, and
//! fixtures built by zig and kept by content.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The built xtask, with nothing in its environment but where to find programs.
pub(crate) fn xtask() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env_clear();
    for name in ["PATH", "HOME", "XTASK_TOOLS", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the xtask with these arguments.
pub(crate) fn run(args: &[&str]) -> Output {
    xtask().args(args).output().expect("the built xtask starts")
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// An empty folder of this test's own.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A name that no other test uses at the same time, in this process or another.
fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Validates a JSON answer against a schema of this repository, by an independent validator.
pub(crate) fn assert_follows_schema(schema: &str, json: &serde_json::Value) {
    let folder = scratch(&unique(&format!("schema-{schema}")));
    let file = folder.join("answer.json");
    fs::write(&file, json.to_string()).unwrap();
    let schema = root().join(format!("schemas/{schema}.schema.json"));
    let script = "import fastjsonschema, json, sys\n\
                  fastjsonschema.compile(json.load(open(sys.argv[1])))(json.load(open(sys.argv[2])))";
    let output = Command::new("python3").args(["-c", script]).arg(schema).arg(file).output();
    let output = output.expect("python3 with fastjsonschema (apt: python3-fastjsonschema)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The pinned zig, provisioned on first use.
pub(crate) fn zig() -> &'static Path {
    static ZIG: OnceLock<PathBuf> = OnceLock::new();
    ZIG.get_or_init(|| {
        let output = run(&["tool", "ziglang"]);
        assert!(
            output.status.success(),
            "this test needs zig (the wheel `ziglang`), which `cargo xtask tool ziglang` provisions:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        PathBuf::from(stdout(&output).trim_end())
    })
}

/// A file made by `zig cc` from sources and arguments, kept by the content of both. `{in}/NAME` in
/// an argument stands for a source's path. zig builds the same bytes anywhere.
pub(crate) fn zig_cc(sources: &[(&str, &[u8])], args: &[&str]) -> Vec<u8> {
    let mut key = Sha256::new();
    key.update(zig().file_name().unwrap().as_encoded_bytes());
    key.update(include_bytes!("mod.rs"));
    for arg in args {
        key.update(arg.as_bytes());
        key.update(b"\0");
    }
    for (name, bytes) in sources {
        key.update(name.as_bytes());
        key.update((bytes.len() as u64).to_le_bytes());
        key.update(bytes);
    }
    let key = hex::encode(key.finalize());
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kept = tmp.join("fixtures").join(&key);
    if let Ok(bytes) = fs::read(&kept) {
        return bytes;
    }
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    let work = scratch(&unique(&format!("zig-{key}")));
    for (name, bytes) in sources {
        fs::write(work.join(name), bytes).unwrap();
    }
    let cache = tmp.join("zig-cache");
    let inside = work.to_str().unwrap();
    let output = Command::new(zig())
        .arg("cc")
        .args(args.iter().map(|arg| arg.replace("{in}", inside)))
        .args(["-o", "made"])
        .current_dir(&work)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .env("ZIG_LOCAL_CACHE_DIR", &cache)
        .output()
        .expect("zig starts");
    assert!(
        output.status.success(),
        "zig cc {args:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = fs::read(work.join("made")).unwrap();
    // Renamed when whole: tests run at once.
    let whole = kept.with_file_name(unique(&key));
    fs::write(&whole, &bytes).unwrap();
    fs::rename(&whole, &kept).unwrap();
    fs::remove_dir_all(&work).unwrap();
    bytes
}
