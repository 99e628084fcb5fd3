//! A tagged workspace with finished assets, and the built xtask with the real `gh` against a server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{Ended, Folder, git, run, xtask};
use crate::server::{REPO, Server, TOKEN};
use crate::state::{Call, Fault, Rule};

pub const TAG: &str = "v1.2.3";
pub const ASSETS: [&str; 2] = ["tool-linux-amd64", "tool-linux-amd64-new"];
/// Names of everything that the release holds, sorted.
pub fn whole() -> [&'static str; 6] {
    ["checksums.txt", "manifest.json", "provenance.json", ASSETS[0], ASSETS[1], "tool.cdx.json"]
}

/// Milliseconds that the xtask takes for its unit of waiting.
const PAUSE: &str = "1";

pub struct World {
    pub folder: Folder,
    /// Short: a socket's path is at most 107 bytes.
    home: PathBuf,
    pub server: Arc<Server>,
}

impl Drop for World {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.home));
    }
}

/// A program that passes the audit, made by the C compiler once.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Folder::new();
        let source = folder.write(
            "m.c",
            "#include <stdio.h>\nint main(void) { puts(\"tool v1.2.3\"); return 0; }\n",
        );
        let out = folder.join("m");
        let made = Command::new("cc")
            .args([
                "-O2",
                "-fPIE",
                "-pie",
                "-s",
                "-Wl,-z,relro,-z,now",
                "-Wl,--build-id=none",
                "-o",
            ])
            .arg(&out)
            .arg(&source)
            .output()
            .expect("`cc` is needed: install the package gcc");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read(out).unwrap()
    })
}

fn target(platform: &str) -> String {
    format!(
        "[[target]]\nplatform = \"{platform}\"\ntriple = \"x86_64-unknown-linux-gnu\"\nbuilder = \"native\"\nrunner = \"ubuntu-24.04\"\nglibc-floor = \"2.41\"\n\n"
    )
}

impl World {
    pub fn new() -> Self {
        let gh = Command::new("gh").arg("--version").stdout(Stdio::null()).status();
        assert!(gh.is_ok_and(|s| s.success()), "`gh` is needed: install the Debian package gh");
        let folder = Folder::new();
        let config = format!(
            "[release]\nrepository = \"{REPO}\"\n\n{}{}[[package]]\nname = \"tool\"\nkind = \"rust\"\npath = \"tool\"\ntargets = [\"linux-amd64\", \"linux-amd64-new\"]\n",
            target("linux-amd64"),
            target("linux-amd64-new")
        );
        folder.write("xtask.toml", &config);
        folder.write(
            "tool/Cargo.toml",
            "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n",
        );
        folder.write(
            "tool/Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.2.3\"\n",
        );
        folder.write("tool/src/main.rs", "fn main() {}\n");
        folder.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n");
        folder.write("CHANGELOG.md", "# Changelog\n\n## [1.2.3] - 2026-11-01\n\n- It works.\n");
        folder.write(".gitignore", "dist\n");
        git(folder.path(), &["init", "--quiet"]);
        git(folder.path(), &["add", "-A"]);
        git(folder.path(), &["commit", "--quiet", "-m", "one"]);
        git(folder.path(), &["tag", TAG]);
        let home = PathBuf::from(format!("/tmp/xtask-gh-{}-{}", std::process::id(), count()));
        drop(fs::remove_dir_all(&home));
        fs::create_dir_all(home.join("config")).unwrap();
        let socket = home.join("gh.sock");
        fs::write(
            home.join("config/config.yml"),
            format!("version: \"1\"\nhttp_unix_socket: {}\n", socket.display()),
        )
        .unwrap();
        let world = Self { server: Server::start(&socket), folder, home };
        world.server.state().tags.insert(TAG.to_owned(), (world.commit(), false));
        world.dist();
        world
    }

    pub fn commit(&self) -> String {
        let said = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(self.folder.path())
            .output();
        String::from_utf8(said.unwrap().stdout).unwrap().trim().to_owned()
    }

    /// What `dist` leaves: assets and their manifest.
    fn dist(&self) {
        let mut bytes = program().to_vec();
        fs::create_dir_all(self.folder.join("dist")).unwrap();
        let mut records = Vec::new();
        for name in ASSETS {
            fs::write(self.folder.join("dist").join(name), &bytes).unwrap();
            records.push(self.record(name, &bytes));
            // Another file, and still a program: what follows the last section is never loaded.
            bytes.push(b'x');
        }
        self.write_manifest(&records);
    }

    pub fn write_manifest(&self, records: &[Value]) {
        let manifest = json!({
            "schema": 1, "repository": REPO, "version": "1.2.3", "tag": TAG,
            "commit": self.commit(), "dirty": false, "assets": records,
        });
        self.folder.write("dist/manifest.json", &format!("{manifest:#}\n"));
    }

    pub fn record(&self, name: &str, bytes: &[u8]) -> Value {
        let place = |machine: &str| json!({ "system": "Debian", "machine": machine });
        json!({
            "name": name, "package": "tool", "platform": name.strip_prefix("tool-").unwrap(),
            "triple": "x86_64-unknown-linux-gnu", "version": "1.2.3", "commit": self.commit(),
            "dirty": false, "size": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes)),
            "toolchain": "rustc 1.95.0 (x 2026-01-01)",
            "builder": { "kind": "native", "tools": [], "image": null },
            "built_on": place("builder"),
            "glibc": { "promised": "2.41", "max": "2.34", "floor": "2.34", "strong": "2.34" },
            "runs_on": [], "findings": [],
            "smoke": [{ "check": "version", "outcome": "passed", "how": "native", "where": place("user"), "detail": "" }],
            "not_run": [],
        })
    }

    /// The xtask in the workspace.
    pub fn xtask(&self, args: &[&str]) -> Command {
        let mut command = xtask(self.folder.path(), args);
        command
            .env("GH_CONFIG_DIR", self.home.join("config"))
            .env("GH_TOKEN", TOKEN)
            .env("XTASK_FORGE_PAUSE_MS", PAUSE);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        let ended = run(&mut self.xtask(args));
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(TOKEN), "the token is shown:\n{text}");
        }
        ended
    }

    pub fn draft(&self) -> Ended {
        self.run(&["draft", "--tag", TAG, "--execute"])
    }

    /// Commits everything, moves the tag along, makes the draft.
    pub fn commit_and_draft(&self) {
        git(self.folder.path(), &["add", "-A"]);
        git(self.folder.path(), &["commit", "--quiet", "-m", "more"]);
        git(self.folder.path(), &["tag", "--force", TAG]);
        let commit = self.commit();
        self.server.state().tags.insert(TAG.to_owned(), (commit, false));
        self.draft().expect(0);
    }

    pub fn upload(&self) -> Ended {
        self.run(&["upload", "--tag", TAG, "--execute", "--from", "dist"])
    }

    pub fn finalize(&self) -> Ended {
        self.run(&["finalize", "--tag", TAG, "--execute"])
    }

    /// From now on these calls go wrong.
    pub fn fault(&self, call: Call, from: usize, times: usize, fault: Fault) -> &Self {
        self.server.state().rules.push(Rule { call, from, times, fault });
        self
    }

    /// The release is published, holds exactly the plan, and no rule was broken on the way.
    #[track_caller]
    pub fn assert_published(&self) {
        let state = self.server.state();
        assert_eq!(state.unknown, Vec::<String>::new());
        assert_eq!(state.violations, Vec::<String>::new());
        let [release] = state.releases.as_slice() else { panic!("{:?}", state.releases) };
        assert!(!release.draft);
        let names: Vec<&str> = {
            let mut names: Vec<&str> = release.assets.iter().map(|a| a.name.as_str()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names, whole());
        for asset in &release.assets {
            assert_eq!((asset.state, asset.hidden), ("uploaded", false));
            assert_eq!(asset.sha256, hex::encode(Sha256::digest(&*asset.bytes)), "{}", asset.name);
        }
        let held: BTreeMap<&str, &str> =
            release.assets.iter().map(|a| (a.name.as_str(), a.sha256.as_str())).collect();
        let sums = release.assets.iter().find(|a| a.name == "checksums.txt").unwrap();
        let sums = String::from_utf8(sums.bytes.to_vec()).unwrap();
        assert_eq!(sums.lines().count(), whole().len() - 1);
        for line in sums.lines() {
            let (sha256, name) = line.split_once("  ").unwrap();
            assert_eq!(held[name], sha256);
        }
    }

    /// Nothing is published, and no rule was broken.
    #[track_caller]
    pub fn assert_not_published(&self) {
        let state = self.server.state();
        assert_eq!(state.unknown, Vec::<String>::new());
        assert_eq!(state.violations, Vec::<String>::new());
        assert!(state.releases.iter().all(|release| release.draft));
    }

    /// A rerun ends well and writes nothing.
    #[track_caller]
    pub fn assert_rerun_writes_nothing(&self) {
        let writes = self.server.state().writes();
        self.finalize().expect(0);
        assert_eq!(self.server.state().writes(), writes);
    }
}

fn count() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// The most memory a process had resident, in KiB; `None` once it is over.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status =
        fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
