//! Container images of a released program: made on a base from a registry of the tests' own, judged from their
//! bytes, started by docker and by podman. Needs root (for dockerd), docker.io, podman, runc, skopeo,
//! docker-registry and mmdebstrap of Debian.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{Ended, Folder, commit, docker, edit, run, sayna};
use serde_json::Value;
use sha2::Digest as _;

/// Debian's registry on a port of this machine; ended when dropped.
struct Registry {
    child: Child,
    host: String,
    daemon: String,
}

impl Registry {
    fn start(folder: &Folder) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '{host}'}}\n",
            folder.join("target/registry").display()
        );
        let config = folder.write("target/registry.yml", &config);
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = serve.spawn().unwrap();
        let registry = Self { child, host, daemon: docker(&["bookworm"]) };
        while TcpStream::connect(&registry.host).is_err() {
            sleep(Duration::from_millis(50));
        }
        registry
    }

    /// Brings an image here; its name by digest.
    fn push(&self, from: &str, name: &str) -> String {
        let to = format!("docker://{}/{name}:1", self.host);
        self.copy(from, &to);
        let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &to];
        let digest = run(Command::new("skopeo").args(inspect)).expect(0).stdout;
        format!("{}/{name}:1@{}", self.host, digest.trim())
    }

    fn copy(&self, from: &str, to: &str) {
        let daemon = ["--src-daemon-host", &self.daemon, "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(["copy", "--quiet"]).args(daemon).args([from, to]))
            .expect(0);
    }

    /// The base, which says that it is for arm64.
    fn push_foreign(&self, folder: &Folder) -> String {
        let layout = folder.join("target/foreign");
        self.copy(BOOKWORM, &format!("oci:{}", layout.display()));
        let blobs = layout.join("blobs/sha256");
        let sha256_of = |value: &Value| value["digest"].as_str().unwrap().split_at(7).1.to_owned();
        let changed = |sha256: &str, old: &str, new: &str| {
            let text = fs::read_to_string(blobs.join(sha256)).unwrap().replace(old, new);
            let named = hex::encode(sha2::Sha256::digest(text.as_bytes()));
            fs::write(blobs.join(&named), text).unwrap();
            named
        };
        let index = layout.join("index.json");
        let manifest = sha256_of(&json(&index)["manifests"][0]);
        let config = sha256_of(&json(&blobs.join(&manifest))["config"]);
        let foreign = changed(&config, "\"amd64\"", "\"arm64\"");
        edit(&index, &manifest, &changed(&manifest, &config, &foreign));
        self.push(&format!("oci:{}", layout.display()), "foreign")
    }

    fn xtask(&self, folder: &Folder, args: &[&str]) -> Ended {
        run(common::xtask(folder.path(), args).env("DOCKER_HOST", &self.daemon))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// As the tests' own daemon has it.
const BOOKWORM: &str = "docker-daemon:xtask-test/bookworm:latest";

const BASE: &str =
    "ubuntu:26.04@sha256:3131b4cc82a783df6c9df078f86e01819a13594b865c2cad47bd1bca2b7063bb";

/// The example on a base that is here, its program built.
fn project() -> (Folder, Registry) {
    let folder = sayna();
    let registry = Registry::start(&folder);
    let base = registry.push(BOOKWORM, "base");
    edit(&folder.join("xtask.toml"), BASE, &base);
    build(&folder);
    (folder, registry)
}

fn build(folder: &Folder) {
    commit(folder);
    run(&mut common::xtask(folder.path(), &["dist", "--target", "linux-amd64"])).expect(0);
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

const IMAGE: &[&str] = &["image", "--strict", "--target", "linux-amd64"];

#[test]
fn an_image_holds_the_released_program_and_serves() {
    let (folder, registry) = project();
    let said = registry.xtask(&folder, IMAGE).expect(0).stdout;
    assert!(said.contains("ends by SIGTERM"), "{said}");
    let record = json(&folder.join("images/image-sayna-linux-amd64.json"));
    let layout = folder.join("images/sayna-linux-amd64");

    // Another program's reading of it.
    let inspect = |more: &[&str]| {
        let from = format!("oci:{}", layout.display());
        let said = run(Command::new("skopeo").arg("inspect").args(more).arg(from)).expect(0);
        serde_json::from_str::<Value>(&said.stdout).unwrap()
    };
    assert_eq!(inspect(&[])["Digest"], record["digest"]);
    let config = inspect(&["--config"]);
    let process = &config["config"];
    assert_eq!(process["User"], "65532:65532");
    assert_eq!(process["Entrypoint"], serde_json::json!(["/usr/local/bin/sayna"]));
    assert_eq!(process["Cmd"], serde_json::json!(["--listen", "0.0.0.0:3001"]));
    assert_eq!(process["ExposedPorts"], serde_json::json!({ "3001/tcp": {} }));
    let label = |name: &str| process["Labels"][format!("org.opencontainers.image.{name}")].clone();
    assert_eq!(label("version"), "0.2.0");
    assert_eq!(label("revision"), record["commit"]);
    assert_eq!(label("source"), "https://github.com/saynaai/sayna");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);

    // The program is the archive's own, byte for byte.
    let stem = "sayna-0.2.0-x86_64-unknown-linux-gnu";
    let archive = folder.join(format!("dist/{stem}.tar.gz"));
    let out = folder.join("target/unpacked");
    fs::create_dir_all(&out).unwrap();
    run(Command::new("tar").arg("-xzf").arg(archive).current_dir(&out)).expect(0);
    let sum = run(Command::new("sha256sum").arg(out.join(stem).join("sayna"))).expect(0).stdout;
    assert!(sum.starts_with(record["program"]["sha256"].as_str().unwrap()), "{sum}");

    // Again, elsewhere: the same bytes. By the other engine: the same answer.
    let limits = "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=4096:4096\"]\n[engine]\nruntime=\"runc\"\n";
    let limits = folder.write("target/containers.conf", limits);
    let mut again = common::xtask(folder.path(), IMAGE);
    again
        .args(["--out", "target/again"])
        .env("CONTAINERS_CONF", limits)
        .env("XTASK_ENGINE", "podman");
    let said = run(&mut again).expect(0).stdout;
    assert!(said.contains("in podman "), "{said}");
    let second = json(&folder.join("target/again/image-sayna-linux-amd64.json"));
    assert_eq!(second["digest"], record["digest"]);

    // Nothing of ours is left in the engine.
    let mut list = Command::new("docker");
    list.args(["ps", "--all", "--format", "{{.Names}}"]).env("DOCKER_HOST", &registry.daemon);
    let left = run(&mut list).expect(0).stdout;
    assert!(!left.contains("xtask-image-"), "{left}");
}

/// What is wrong is refused by name, and no image is left to be taken for a result.
#[test]
fn what_is_wrong_with_an_image_is_told() {
    let (folder, registry) = project();
    registry.xtask(&folder, IMAGE).expect(0);
    let refused = |code: i32, parts: &[&str]| {
        registry.xtask(&folder, IMAGE).expect(code).says(parts);
        assert!(!folder.join("images/image-sayna-linux-amd64.json").exists());
        assert!(!folder.join("images/sayna-linux-amd64").exists());
    };

    // An asset that is not the one that was judged.
    let archive = folder.join("dist/sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz");
    let good = fs::read(&archive).unwrap();
    fs::write(&archive, [&good[..], b"x"].concat()).unwrap();
    refused(1, &["is not the asset that was judged", "sayna-0.2.0"]);
    fs::write(&archive, good).unwrap();

    // A base for another processor.
    let plan = fs::read_to_string(folder.join("xtask.toml")).unwrap();
    let base = plan.split("base = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let foreign = registry.push_foreign(&folder);
    edit(&folder.join("xtask.toml"), &base, &foreign);
    refused(1, &["the base is for \"arm64\", and amd64 is planned"]);

    // A base that is not there.
    edit(
        &folder.join("xtask.toml"),
        &foreign,
        &format!("{}/nothing:1@sha256:{}", registry.host, "0".repeat(64)),
    );
    refused(3, &["cannot fetch the image", "/nothing:1@sha256:0000"]);
    fs::write(folder.join("xtask.toml"), &plan).unwrap();

    // A commit that the assets are not of.
    fs::write(folder.join("README.md"), "new\n").unwrap();
    commit(&folder);
    refused(1, &["is of commit", "build it again"]);

    // A server that does not start, and one that cannot be asked.
    edit(&folder.join("xtask.toml"), "\"--listen\", \"0.0.0.0:3001\"", "\"--frobnicate\"");
    build(&folder);
    refused(
        1,
        &["smoke serve failed", "the server ended by itself", "unknown argument `--frobnicate`"],
    );
    fs::write(folder.join("xtask.toml"), &plan).unwrap();

    // A server that, as the first process, does not hear SIGTERM; one that says another version.
    edit(
        &folder.join("src/signals.rs"),
        "unsafe { signal(number, remember) }",
        "unsafe { _ = signal as usize + number as usize + remember as *const () as usize }",
    );
    build(&folder);
    refused(1, &["smoke serve failed", "SIGTERM does not end it"]);
}

/// By digest first, read back; tags only once the release is published, and only what was tried.
#[test]
fn an_image_is_pushed_by_digest_and_tagged_after_the_release() {
    let folder = sayna();
    let registry = Registry::start(&folder);
    let plan = folder.join("xtask.toml");
    edit(&plan, BASE, &registry.push(BOOKWORM, "base"));
    let repository = format!("{}/saynaai/sayna", registry.host);
    edit(&plan, "ghcr.io/saynaai/sayna", &repository);
    build(&folder);
    common::git(folder.path(), &["tag", "v0.2.0"]);
    let on = ["--tag", "v0.2.0", "--forge", "dir:target/forge", "--only", "linux-amd64"];
    let push = |more: &[&str]| registry.xtask(&folder, &[&["image-push"], &on[..], more].concat());
    let raw = |name: &str| {
        let name = format!("docker://{repository}{name}");
        run(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &name]))
    };
    push(&[]).expect(2).says(&["holds no image `sayna-linux-amd64`"]);

    // Made, and not started anywhere.
    let mut image = common::xtask(folder.path(), &["image", "--target", "linux-amd64"]);
    run(image.env("DOCKER_HOST", "unix:///nowhere").env("XTASK_ENGINE", "docker")).expect(0);
    push(&["--execute"]).expect(1).says(&["the image was not started, or failed"]);

    registry.xtask(&folder, IMAGE).expect(0);
    let said = push(&[]).expect(0).stdout;
    assert!(said.contains("would push") && said.contains("nothing was written"), "{said}");
    let digest = said.lines().next().unwrap().rsplit('@').next().unwrap().to_owned();
    assert_ne!(raw(&format!("@{digest}")).code, Some(0), "a dry run wrote");

    // Not yet published: nothing moves, nothing is written.
    push(&["--tags", "--execute"]).expect(1).says(&["v0.2.0 is not published"]);
    assert_ne!(raw(&format!("@{digest}")).code, Some(0));

    push(&["--execute"]).expect(0);
    let index: Value = serde_json::from_str(&raw(&format!("@{digest}")).expect(0).stdout).unwrap();
    let record = folder.join("images/image-sayna-linux-amd64.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["digest"], json(&record)["digest"]);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    assert_ne!(raw(":latest").code, Some(0), "a tag before the release");

    for (name, more) in [
        ("draft", &["--execute"][..]),
        ("upload", &["--execute", "--from", "dist"]),
        ("finalize", &["--execute", "--one-machine"]),
    ] {
        registry.xtask(&folder, &[&[name], &on[..], more].concat()).expect(0);
    }
    let said = push(&["--tags", "--execute"]).expect(0).stdout;
    for tag in [":0.2.0", ":0.2", ":latest"] {
        assert!(said.contains(&format!("tagged {repository}{tag}\n")), "{said}");
        let found: Value = serde_json::from_str(&raw(tag).expect(0).stdout).unwrap();
        assert_eq!(found, index, "{tag}");
    }

    // A registry that has something else under the name: another program in front of the real one.
    let real = run(Command::new("sh").args(["-c", "command -v skopeo"])).expect(0).stdout;
    let fake = format!(
        "#!/bin/sh\ncase $* in *inspect*--raw*) echo other ;; *) exec {} \"$@\" ;; esac\n",
        real.trim()
    );
    let fake = folder.write("target/bin/skopeo", &fake);
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = fake.parent().unwrap().display();
    let mut lied = common::xtask(folder.path(), &[&["image-push", "--execute"], &on[..]].concat());
    lied.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    run(&mut lied).expect(1).says(&["in the registry, and sha256:", "was brought there"]);

    // What was made is not what is there any more.
    let good = fs::read_to_string(&record).unwrap();
    fs::write(&record, good.replace("\"digest\": \"sha256:", "\"digest\": \"sha256:0")).unwrap();
    push(&["--execute"]).expect(1).says(&["digest is", "make the image again"]);
    fs::write(&record, good).unwrap();
    let manifest = json(&record)["digest"].as_str().unwrap().split_at(7).1.to_owned();
    let blob = folder.join("images/sayna-linux-amd64/blobs/sha256").join(manifest);
    fs::write(&blob, fs::read_to_string(&blob).unwrap() + " ").unwrap();
    push(&["--execute"]).expect(3).says(&["holds other bytes"]);
}

/// Where it cannot be started, that is said; and refused under --strict.
#[test]
fn what_cannot_be_started_is_not_run() {
    let (folder, registry) = project();
    let mut image = common::xtask(folder.path(), &["image", "--target", "linux-amd64"]);
    image.env("DOCKER_HOST", "unix:///nowhere").env("XTASK_ENGINE", "docker");
    let said = run(&mut image).expect(0).stdout;
    assert!(said.contains("version  not-run"), "{said}");
    image.arg("--strict");
    run(&mut image).expect(1).says(&["smoke serve not-run", "docker"]);
    registry
        .xtask(&folder, &["image", "--target", "darwin-arm64"])
        .expect(2)
        .says(&["the plan makes no image for `darwin-arm64`"]);
    registry
        .xtask(&folder, &["image", "--target", "linux-arm64"])
        .expect(2)
        .says(&["aarch64-unknown-linux-gnu.tar.gz", "dist --target linux-arm64"]);
}
