//! Binaries built by zig and kept by content, and answers held against their schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::{Folder, repository, run, xtask};

/// A name that no other test uses at the same time, in this process or another.
fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Validates a JSON answer against a schema of this repository, by an independent validator.
pub fn assert_follows_schema(schema: &str, json: &serde_json::Value) {
    let folder = Folder::new();
    let file = folder.write("answer.json", &json.to_string());
    let schema = repository().join(format!("schemas/{schema}.schema.json"));
    let script = "import fastjsonschema, json, sys\n\
                  fastjsonschema.compile(json.load(open(sys.argv[1])))(json.load(open(sys.argv[2])))";
    let output = Command::new("python3").args(["-c", script]).arg(schema).arg(file).output();
    let output = output.expect("python3 with fastjsonschema (apt: python3-fastjsonschema)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The pinned zig, provisioned on first use.
pub fn zig() -> &'static Path {
    static ZIG: OnceLock<PathBuf> = OnceLock::new();
    ZIG.get_or_init(|| {
        let ended = run(&mut xtask(&repository(), &["tool", "ziglang"]));
        assert_eq!(
            ended.code,
            Some(0),
            "this test needs zig (the wheel `ziglang`), which `cargo xtask tool ziglang` provisions:
{}",
            ended.stderr
        );
        PathBuf::from(ended.stdout.trim_end())
    })
}

/// A file made by `zig cc` from sources and arguments, kept by the content of both. `{in}/NAME` in
/// an argument stands for a source's path. zig builds the same bytes anywhere.
pub fn zig_cc(sources: &[(&str, &[u8])], args: &[&str]) -> Vec<u8> {
    let mut key = Sha256::new();
    key.update(zig().file_name().unwrap().as_encoded_bytes());
    key.update(include_bytes!("fixtures.rs"));
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
    let work = Folder::new();
    for (name, bytes) in sources {
        fs::write(work.join(name), bytes).unwrap();
    }
    let cache = tmp.join("zig-cache");
    let inside = work.path().to_str().unwrap();
    let output = Command::new(zig())
        .arg("cc")
        .args(args.iter().map(|arg| arg.replace("{in}", inside)))
        .args(["-o", "made"])
        .current_dir(work.path())
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
    bytes
}
