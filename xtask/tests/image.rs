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
        let registry = Self { child, host, daemon: docker(IMAGES) };
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
        reconfigure(&layout, |config| config["architecture"] = "arm64".into());
        self.push(&format!("oci:{}", layout.display()), "foreign")
    }

    /// The base for both processors, under one name.
    fn push_both(&self, folder: &Folder) -> String {
        let layout = folder.join("target/both");
        for (from, name) in [(BOOKWORM, "amd64"), (BOOKWORM_ARM64, "arm64")] {
            // Whatever is imported is for the machine's own processor, says docker.
            let one = folder.join(format!("target/one-{name}"));
            self.copy(from, &format!("oci:{}", one.display()));
            reconfigure(&one, |config| config["architecture"] = name.into());
            self.copy(
                &format!("oci:{}", one.display()),
                &format!("oci:{}:{name}", layout.display()),
            );
        }
        let mut index = json(&layout.join("index.json"));
        for entry in index["manifests"].as_array_mut().unwrap() {
            let name = entry["annotations"]["org.opencontainers.image.ref.name"].take();
            entry.as_object_mut().unwrap().remove("annotations");
            entry["platform"] = serde_json::json!({ "os": "linux", "architecture": name });
        }
        index["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
        let (digest, size) = add(&layout, &index);
        let entry =
            serde_json::json!({ "mediaType": index["mediaType"], "digest": digest, "size": size });
        let one = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
        fs::write(layout.join("index.json"), one.to_string()).unwrap();
        self.copy_all(&format!("oci:{}", layout.display()), "both")
    }

    fn copy_plain(&self, from: &str, to: &str) {
        let copy = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(copy).args([from, to])).expect(0);
    }

    /// Brings an index and all that it names; its name by digest.
    fn copy_all(&self, from: &str, name: &str) -> String {
        let to = format!("docker://{}/{name}:1", self.host);
        let copy = ["copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(copy).args([from, &to])).expect(0);
        let digest = hex::encode(sha2::Sha256::digest(self.get(&format!("{name}/manifests/1"))));
        format!("{}/{name}:1@sha256:{digest}", self.host)
    }

    /// What the registry's own interface gives (OCI distribution specification 1.1, "Pulling manifests").
    fn get(&self, path: &str) -> Vec<u8> {
        let types =
            ["index", "manifest"].map(|kind| format!("application/vnd.oci.image.{kind}.v1+json"));
        let accept = format!("Accept: {}, application/octet-stream", types.join(", "));
        let url = format!("http://{}/v2/{path}", self.host);
        let got = Command::new("curl").args(["-sf", "--header", &accept, &url]).output().unwrap();
        assert!(got.status.success(), "{url}");
        got.stdout
    }

    fn xtask(&self, folder: &Folder, args: &[&str]) -> Ended {
        run(common::xtask(folder.path(), args).env("DOCKER_HOST", &self.daemon))
    }
}

/// Adds a document to a layout; its digest and size.
fn add(layout: &Path, document: &Value) -> (String, usize) {
    let text = document.to_string();
    let sha256 = hex::encode(sha2::Sha256::digest(text.as_bytes()));
    fs::write(layout.join("blobs/sha256").join(&sha256), &text).unwrap();
    (format!("sha256:{sha256}"), text.len())
}

/// Changes the configuration of the image in a layout, and all digests that follow from it; its new descriptor.
fn reconfigure(layout: &Path, change: impl FnOnce(&mut Value)) -> Value {
    let read = |entry: &Value| {
        json(&layout.join("blobs/sha256").join(entry["digest"].as_str().unwrap().split_at(7).1))
    };
    let write = |entry: &mut Value, document: &Value| {
        let (digest, size) = add(layout, document);
        entry["digest"] = digest.into();
        entry["size"] = size.into();
    };
    let mut index = json(&layout.join("index.json"));
    let mut manifest = read(&index["manifests"][0]);
    let mut config = read(&manifest["config"]);
    change(&mut config);
    write(&mut manifest["config"], &config);
    write(&mut index["manifests"][0], &manifest);
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    index["manifests"][0].clone()
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const IMAGES: &[&str] = &["bookworm", "bookworm-arm64"];
/// As the tests' own daemon has them.
const BOOKWORM: &str = "docker-daemon:xtask-test/bookworm:latest";
const BOOKWORM_ARM64: &str = "docker-daemon:xtask-test/bookworm-arm64:latest";

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

    // Nothing of ours is left in the engine: other tests' containers bear the mark of other folders.
    let images = folder.join("images");
    let mark = hex::encode(sha2::Sha256::digest(images.as_os_str().as_encoded_bytes()));
    let filter = format!("label=xtask-image={}", &mark[..16]);
    let mut list = Command::new("docker");
    list.args(["ps", "--all", "--quiet", "--filter", &filter]).env("DOCKER_HOST", &registry.daemon);
    assert_eq!(run(&mut list).expect(0).stdout, "");
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

/// A release of the example on this registry, for some platforms, with what it takes to make it.
struct Server {
    folder: Folder,
    registry: Registry,
    repository: String,
    on: Vec<&'static str>,
}

impl Server {
    fn new(platforms: &[&'static str], base: impl Fn(&Registry, &Folder) -> String) -> Self {
        let folder = sayna();
        let registry = Registry::start(&folder);
        let plan = folder.join("xtask.toml");
        edit(&plan, BASE, &base(&registry, &folder));
        let repository = format!("{}/saynaai/sayna", registry.host);
        edit(&plan, "ghcr.io/saynaai/sayna", &repository);
        let mut on = vec!["--tag", "v0.2.0", "--forge", "dir:target/forge"];
        on.extend(platforms.iter().flat_map(|platform| ["--only", *platform]));
        Self { folder, registry, repository, on }
    }

    fn on_amd64() -> Self {
        let server = Self::new(&["linux-amd64"], |registry, _| registry.push(BOOKWORM, "base"));
        build(&server.folder);
        common::git(server.folder.path(), &["tag", "v0.2.0"]);
        server
    }

    fn xtask(&self, step: &str, more: &[&str]) -> Ended {
        self.registry.xtask(&self.folder, &[&[step], &self.on[..], more].concat())
    }

    fn push(&self, more: &[&str]) -> Ended {
        self.xtask("image-push", more)
    }

    /// The jobs' results in one folder, published; the images among them.
    fn publish(&self) -> Ended {
        for (name, more) in
            [("draft", &["--execute"][..]), ("upload", &["--execute", "--from", "dist"])]
        {
            self.xtask(name, more).expect(0);
        }
        let jobs = self.folder.join("target/jobs");
        drop(fs::remove_dir_all(&jobs));
        fs::create_dir_all(&jobs).unwrap();
        let from = ["dist", "images"].map(|name| self.folder.join(name));
        run(Command::new("cp").arg("-r").args(from).arg(&jobs)).expect(0);
        self.xtask("finalize", &["--execute", "--one-machine", "--from", "target/jobs"])
    }

    /// The document that the registry has under a tag or, behind an `@`, a digest.
    fn raw(&self, name: &str) -> Ended {
        let name = format!("docker://{}{name}", self.repository);
        run(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &name]))
    }

    fn record(&self) -> std::path::PathBuf {
        self.folder.join("images/image-sayna-linux-amd64.json")
    }

    /// The image's manifest, on the disk.
    fn manifest(&self) -> std::path::PathBuf {
        let digest = json(&self.record())["digest"].as_str().unwrap().split_at(7).1.to_owned();
        self.folder.join("images/sayna-linux-amd64/blobs/sha256").join(digest)
    }

    fn has_no_tag(&self) {
        for tag in [":0.2.0", ":0.2", ":latest"] {
            assert_ne!(self.raw(tag).code, Some(0), "{tag}");
        }
    }
}

/// By digest first, read back; tags only once the release is published, and only what was tried.
#[test]
fn an_image_is_pushed_by_digest_and_tagged_after_the_release() {
    let server = Server::on_amd64();
    let Server { folder, registry, repository, on } = &server;
    let (push, raw) = (|more: &[&str]| server.push(more), |name: &str| server.raw(name));
    push(&[]).expect(2).says(&["holds no image `sayna-linux-amd64`"]);

    // Made, and not started anywhere.
    let mut image = common::xtask(folder.path(), &["image", "--target", "linux-amd64"]);
    run(image.env("DOCKER_HOST", "unix:///nowhere").env("XTASK_ENGINE", "docker")).expect(0);
    push(&["--execute"]).expect(1).says(&["the image was not started, or failed"]);

    registry.xtask(folder, IMAGE).expect(0);
    let said = push(&[]).expect(0).stdout;
    assert!(said.contains("would push") && said.contains("nothing was written"), "{said}");
    let digest = said.lines().next().unwrap().rsplit('@').next().unwrap().to_owned();
    assert_ne!(raw(&format!("@{digest}")).code, Some(0), "a dry run wrote");

    // Not yet published: nothing moves, nothing is written.
    push(&["--tags", "--execute"]).expect(1).says(&["v0.2.0 is not published"]);
    assert_ne!(raw(&format!("@{digest}")).code, Some(0));

    // The asset, which it is compared with, is in none of these folders and in no draft.
    push(&["--execute", "--from", "images"]).expect(2).says(&[
        "sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz is neither in `images` nor in the draft",
    ]);
    push(&["--execute"]).expect(0);
    let index: Value = serde_json::from_str(&raw(&format!("@{digest}")).expect(0).stdout).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["digest"], json(&server.record())["digest"]);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    server.has_no_tag();

    // What the registry has does not stay what was brought there: its own storage, in the layer of the program.
    let layer = json(&server.manifest())["layers"].as_array().unwrap().last().unwrap().clone();
    let layer = layer["digest"].as_str().unwrap().split_at(7).1.to_owned();
    let stored = folder.join("target/registry/docker/registry/v2/blobs/sha256");
    let stored = stored.join(&layer[..2]).join(&layer).join("data");
    let good = fs::read(&stored).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&stored, bad).unwrap();
    push(&["--execute"]).expect(3).says(&["cannot read", "back"]);
    fs::write(&stored, good).unwrap();

    server.publish().expect(0);
    // From the draft or the release, where no folder holds the asset.
    push(&["--execute", "--from", "images"]).expect(0);
    let would = push(&["--tags"]).expect(0).stdout;
    assert!(would.contains(&format!("would tag {repository}:latest")), "{would}");
    server.has_no_tag();
    let said = push(&["--tags", "--execute"]).expect(0).stdout;
    for tag in [":0.2.0", ":0.2", ":latest"] {
        assert!(said.contains(&format!("tagged {repository}{tag}\n")), "{said}");
        let found: Value = serde_json::from_str(&raw(tag).expect(0).stdout).unwrap();
        assert_eq!(found, index, "{tag}");
    }

    // The release names it: in its manifest, and as a subject of its provenance.
    let assets = folder.join("target/forge/releases/v0.2.0/assets");
    let listed = json(&assets.join("manifest.json"))["images"][0].clone();
    assert_eq!(listed["digest"], digest);
    assert_eq!(listed["platforms"][0]["digest"], index["manifests"][0]["digest"]);
    let subjects = json(&assets.join("provenance.json"))["subject"].clone();
    let own =
        serde_json::json!({ "name": repository, "digest": { "sha256": digest.split_at(7).1 } });
    assert_eq!(subjects.as_array().unwrap().last().unwrap(), &own);
    let row = "the image sayna is the manifest's, with the released programs";
    let said = server.xtask("verify", &[]).expect(0).stdout;
    assert!(said.contains(&format!("ok       {row}")), "{said}");

    // Somebody changes the release: an asset is not the one that the manifest describes.
    let asset = assets.join("sayna-0.2.0-x86_64-unknown-linux-gnu.tar.gz");
    let good = fs::read(&asset).unwrap();
    fs::write(&asset, [&good[..], b"x"].concat()).unwrap();
    push(&["--tags", "--execute"])
        .expect(1)
        .says(&["is not the one that its manifest.json describes", "sayna-0.2.0"]);
    fs::write(&asset, good).unwrap();

    // Somebody moves the tag of the version.
    let base = format!("docker://{}/base:1", registry.host);
    registry.copy_plain(&base, &format!("docker://{repository}:0.2.0"));
    server.xtask("verify", &[]).expect(1).says(&[":0.2.0` leads to sha256:", "image-push --tags"]);
    push(&["--tags", "--execute"]).expect(0);
    server.xtask("verify", &[]).expect(0);

    // A registry that has something else under the name: another program in front of the real one.
    let real = run(Command::new("sh").args(["-c", "command -v skopeo"])).expect(0).stdout;
    let fake = format!(
        "#!/bin/sh\ncase $* in *inspect*--raw*) echo other ;; *) exec {} \"$@\" ;; esac\n",
        real.trim()
    );
    let fake = folder.write("target/bin/skopeo", &fake);
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = fake.parent().unwrap().display();
    let lied = [&["image-push", "--tags", "--execute"], &on[..]].concat();
    let mut lied = common::xtask(folder.path(), &lied);
    lied.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    run(&mut lied).expect(1).says(&["leads to sha256:", "somebody else moved it"]);

    // What was made is not what is there any more.
    let record = server.record();
    let good = fs::read_to_string(&record).unwrap();
    let blob = server.manifest();
    let manifest = blob.file_name().unwrap().to_str().unwrap();
    fs::write(&record, good.replace(manifest, &"0".repeat(64))).unwrap();
    push(&["--execute"]).expect(1).says(&["digest is sha256:00", "make the image again"]);
    fs::write(&record, good.replace("\"size\": ", "\"size\": 1")).unwrap();
    push(&["--execute"]).expect(1).says(&["digest is sha256:", "bytes)", "make the image again"]);
    fs::write(&record, good).unwrap();
    fs::write(&blob, fs::read_to_string(&blob).unwrap() + " ").unwrap();
    push(&["--execute"]).expect(3).says(&["holds other bytes"]);
}

/// A rehearsal may go without images, and says so. No tag follows from it, and no image is looked at.
#[test]
fn a_release_without_images_moves_no_tag() {
    let server = Server::on_amd64();
    server.xtask("draft", &["--execute"]).expect(0);
    server.xtask("upload", &["--execute", "--from", "dist"]).expect(0);
    let finalize = ["--execute", "--one-machine", "--from", "dist"];
    server.xtask("finalize", &finalize).expect(0).says(&["no image is here"]);
    server.push(&["--tags", "--execute"]).expect(1).says(&[
        "manifest.json of v0.2.0 names no image `sayna`",
        "hand what `image` recorded to `finalize`",
    ]);
    server.has_no_tag();
    let said = server.xtask("verify", &["--strict"]).expect(0).stdout;
    assert!(said.contains("left out the image sayna"), "{said}");
}

/// An image whose record is in order, and whose bytes are not the release's, comes nowhere.
#[test]
fn an_image_of_another_program_is_refused_at_every_step() {
    let server = Server::on_amd64();
    let folder = &server.folder;
    let dist = folder.join("dist");
    let stem = "sayna-0.2.0-x86_64-unknown-linux-gnu";
    let names = [format!("{stem}.tar.gz"), "manifest.json".to_owned()];
    let good = names.clone().map(|name| fs::read(dist.join(name)).unwrap());

    // A program that says and does the same, in an asset of its own: of this version, commit and base.
    let unpacked = folder.join("target/unpacked");
    fs::create_dir_all(&unpacked).unwrap();
    let tar = |args: &[&str]| {
        let archive = dist.join(&names[0]);
        run(Command::new("tar").arg(args[0]).arg(archive).args(&args[1..]).current_dir(&unpacked))
            .expect(0)
    };
    tar(&["-xzf"]);
    let program = unpacked.join(stem).join("sayna");
    let released = hex::encode(sha2::Sha256::digest(fs::read(&program).unwrap()));
    let mut bytes = fs::read(&program).unwrap();
    bytes.extend(b"other");
    fs::write(&program, &bytes).unwrap();
    let other = hex::encode(sha2::Sha256::digest(&bytes));
    let was = hex::encode(sha2::Sha256::digest(&good[0]));
    let held = ["sayna", "LICENSE", "README.md", "sayna.example.conf"];
    let held = held.map(|name| format!("{stem}/{name}"));
    tar(&["-czf", &held[0], &held[1], &held[2], &held[3]]);
    let now = hex::encode(sha2::Sha256::digest(fs::read(dist.join(&names[0])).unwrap()));
    edit(&dist.join("manifest.json"), &was, &now);
    server.registry.xtask(folder, IMAGE).expect(0);
    let bad = names.clone().map(|name| fs::read(dist.join(name)).unwrap());
    let put = |files: &[Vec<u8>; 2]| {
        for (name, bytes) in names.iter().zip(files) {
            fs::write(dist.join(name), bytes).unwrap();
        }
    };

    // Compared with the asset that will be released, nothing is pushed.
    put(&good);
    let wrong = format!(
        "`usr/local/bin/sayna` is not the released program: sha256 {other} instead of {released}"
    );
    let said = server.push(&["--execute"]).expect(1);
    let said = said.says(&[&wrong, "linux/amd64", "nothing was pushed", "make the images again"]);
    assert_eq!(said.stdout, "");
    let catalog: Value = serde_json::from_slice(&server.registry.get("_catalog")).unwrap();
    assert_eq!(catalog["repositories"], serde_json::json!(["base"]));

    // It was pushed while the jobs' results were others. The release does not name it.
    put(&bad);
    server.push(&["--execute"]).expect(0);
    put(&good);
    server.publish().expect(1).says(&[
        "image-sayna-linux-amd64.json: the image holds another program than sayna-0.2.0",
        &other,
    ]);

    // Its record lies. The release names it, and no tag moves to it; nor does it pass for what users should pull.
    edit(&server.record(), &other, &released);
    server.publish().expect(0);
    server.push(&["--tags", "--execute"]).expect(1).says(&[&wrong, "no tag was moved"]);
    server.has_no_tag();
    server.xtask("verify", &[]).expect(1).says(&[&wrong, ":0.2.0`: "]);
}

/// Not the program alone: everything that users would notice is judged again from what is about to be pushed.
#[test]
fn an_image_with_other_settings_is_refused_whatever_its_record_says() {
    let server = Server::on_amd64();
    server.registry.xtask(&server.folder, IMAGE).expect(0);
    let layout = server.folder.join("images/sayna-linux-amd64");
    let keep = server.folder.join("target/keep");
    run(Command::new("cp").arg("-r").args([&layout, &keep])).expect(0);
    let good = fs::read_to_string(server.record()).unwrap();
    type Change = fn(&mut Value);
    let altered: &[(Change, &str)] = &[
        (
            |c| c["config"]["User"] = "0:0".into(),
            "`User` is \"0:0\", and \"65532:65532\" is planned",
        ),
        (|c| c["config"]["Entrypoint"][0] = "/bin/sh".into(), "`Entrypoint` is [\"/bin/sh\"]"),
        (|c| c["architecture"] = "arm64".into(), "architecture is \"arm64\", and amd64 is planned"),
        (
            |c| c["rootfs"]["diff_ids"][0] = format!("sha256:{}", "0".repeat(64)).into(),
            "not the base's",
        ),
        (
            |c| c["config"]["Labels"]["org.opencontainers.image.base.digest"] = "sha256:0".into(),
            "`Labels` is",
        ),
    ];
    for (change, message) in altered {
        fs::remove_dir_all(&layout).unwrap();
        run(Command::new("cp").arg("-r").args([&keep, &layout])).expect(0);
        let entry = reconfigure(&layout, change);
        let mut record: Value = serde_json::from_str(&good).unwrap();
        record["digest"] = entry["digest"].clone();
        record["size"] = entry["size"].clone();
        record["tried"]["sha256"] = entry["digest"].as_str().unwrap().split_at(7).1.into();
        fs::write(server.record(), record.to_string()).unwrap();
        server.push(&["--execute"]).expect(1).says(&[message, "nothing was pushed"]);
    }
}

/// Both images are made here, of one base for two processors, and pulled again as users do. The one for arm64 is
/// started under qemu, which the plan must allow.
#[test]
fn an_image_for_two_processors_is_pulled_as_either() {
    let platforms = ["linux-amd64", "linux-arm64"];
    let server = Server::new(&platforms, Registry::push_both);
    let Server { folder, registry, repository, .. } = &server;
    // The Rust that has a std for arm64 here is Debian's.
    fs::remove_file(folder.join("rust-toolchain.toml")).unwrap();
    commit(folder);
    common::git(folder.path(), &["tag", "v0.2.0"]);
    let targets = platforms.iter().flat_map(|platform| ["--target", *platform]);
    let of = |step: &'static str| [step].into_iter().chain(targets.clone()).collect::<Vec<_>>();
    let mut dist = common::xtask(folder.path(), &of("dist"));
    run(dist.env("PATH", common::path_with("aarch64-unknown-linux-gnu"))).expect(0);
    let mut image = of("image");
    image.push("--strict");
    registry.xtask(folder, &image).expect(0);
    let smoke = |platform: &str| {
        let record = json(&folder.join(format!("images/image-sayna-{platform}.json")));
        let rows = record["tried"]["smoke"].as_array().unwrap().clone();
        let row = |row: &Value| format!("{} {} {}", row["check"], row["how"], row["outcome"]);
        rows.iter().map(row).collect::<Vec<_>>().join(", ").replace('"', "")
    };
    assert_eq!(smoke("linux-amd64"), "version container passed, serve container passed");
    assert_eq!(smoke("linux-arm64"), "version emulated passed, serve emulated passed");

    // As with the assets: what ran emulated is enough where the plan says so.
    server.push(&["--execute"]).expect(1).says(&[
        "image-sayna-linux-arm64.json",
        "started emulated only",
        "`emulated = true` for linux-arm64",
    ]);
    let runner = "runner = \"ubuntu-24.04-arm\"";
    edit(&folder.join("xtask.toml"), runner, &format!("{runner}\nemulated = true"));
    commit(folder);
    common::git(folder.path(), &["tag", "--force", "v0.2.0"]);
    let mut dist = common::xtask(folder.path(), &of("dist"));
    run(dist.env("PATH", common::path_with("aarch64-unknown-linux-gnu"))).expect(0);
    registry.xtask(folder, &image).expect(0);
    let said = server.push(&["--execute"]).expect(0).stdout;
    let digest = said.lines().next().unwrap().rsplit('@').next().unwrap().to_owned();
    let record = folder.join("images/image-sayna-linux-arm64.json");
    let kept = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    server.publish().expect(1).says(&["image-sayna-linux-arm64.json: not among the jobs' results"]);
    fs::write(&record, kept).unwrap();
    server.publish().expect(0);
    server.push(&["--tags", "--execute"]).expect(0);
    let said = server.xtask("verify", &[]).expect(0).stdout;
    assert!(said.contains("ok       the image sayna is the manifest's"), "{said}");

    // By the registry's own interface: the index, and in each image the asset's program for that processor.
    let path = repository.split_once('/').unwrap().1;
    let index = registry.get(&format!("{path}/manifests/latest"));
    assert_eq!(format!("sha256:{}", hex::encode(sha2::Sha256::digest(&index))), digest);
    let index: Value = serde_json::from_slice(&index).unwrap();
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["platform"].to_string())
        .collect();
    assert_eq!(
        platforms,
        ["amd64", "arm64"].map(|arch| format!("{{\"architecture\":\"{arch}\",\"os\":\"linux\"}}"))
    );
    for (at, (machine, triple)) in
        [("x86-64", "x86_64"), ("ARM aarch64", "aarch64")].into_iter().enumerate()
    {
        let named = |document: &Value| document["digest"].as_str().unwrap().to_owned();
        let image = registry.get(&format!("{path}/manifests/{}", named(&index["manifests"][at])));
        let image: Value = serde_json::from_slice(&image).unwrap();
        let layer = image["layers"].as_array().unwrap().last().unwrap().clone();
        let out = folder.join(format!("target/pulled-{triple}"));
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("layer"), registry.get(&format!("{path}/blobs/{}", named(&layer))))
            .unwrap();
        let stem = format!("sayna-0.2.0-{triple}-unknown-linux-gnu");
        let asset = folder.join(format!("dist/{stem}.tar.gz"));
        for archive in [Path::new("layer"), &asset] {
            run(Command::new("tar").arg("-xzf").arg(archive).current_dir(&out)).expect(0);
        }
        let pulled = out.join("usr/local/bin/sayna");
        assert_eq!(fs::read(&pulled).unwrap(), fs::read(out.join(stem).join("sayna")).unwrap());
        let told = run(Command::new("file").arg(&pulled)).expect(0).stdout;
        assert!(told.contains(machine), "{told}");
    }

    // By docker, as its users do.
    let docker = |args: &[&str]| {
        run(Command::new("docker").args(args).env("DOCKER_HOST", &registry.daemon)).expect(0).stdout
    };
    let emulator = "type=bind,source=/usr/bin/qemu-aarch64-static,target=/qemu,readonly";
    let emulated = ["--mount", emulator, "--entrypoint", "/qemu"];
    for (platform, before, after) in [
        ("linux/amd64", &[][..], &["--version"][..]),
        ("linux/arm64", &emulated, &["/usr/local/bin/sayna", "--version"]),
    ] {
        let name = format!("{repository}@{digest}");
        docker(&["pull", "--quiet", "--platform", platform, &name]);
        let arch = docker(&["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", &name]);
        assert_eq!(arch.trim(), platform);
        let run = ["run", "--rm", "--network=none", "--platform", platform];
        assert_eq!(docker(&[&run, before, &[&name], after].concat()).trim(), "sayna 0.2.0");
        docker(&["image", "rm", "--force", &name]);
    }
}

/// A run that is killed leaves a container and a temporary folder; the next one removes both.
#[test]
fn what_a_killed_run_left_goes_away() {
    let (folder, registry) = project();
    let mut list = Command::new("docker");
    let format = "{{.Names}} {{.Label \"xtask-image\"}}";
    list.args(["ps", "--all", "--filter", "label=xtask-image", "--format", format])
        .env("DOCKER_HOST", &registry.daemon);
    // A server that never becomes well is waited for.
    let plan = fs::read_to_string(folder.join("xtask.toml")).unwrap();
    edit(
        &folder.join("xtask.toml"),
        "\"--probe\", \"127.0.0.1:3001\"",
        "\"--probe\", \"127.0.0.1:1\"",
    );
    let mut killed = common::xtask(folder.path(), IMAGE);
    killed.env("DOCKER_HOST", &registry.daemon).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let second = format!("xtask-image-{}-1 ", killed.id());
    while !run(&mut list).expect(0).stdout.contains(&second) {
        assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    folder.clear_temporary();
    let left = run(&mut list).expect(0).stdout;
    let mark = left.lines().find_map(|line| line.strip_prefix(&second)).unwrap().to_owned();
    let images = folder.join("images");
    let own = hex::encode(sha2::Sha256::digest(images.as_os_str().as_encoded_bytes()));
    assert_eq!(mark, own[..16]);
    let temporary = || {
        let entries = fs::read_dir(folder.join("images")).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")).count()
    };
    assert_eq!(temporary(), 1);

    // Another folder's runs are none of its business.
    fs::write(folder.join("xtask.toml"), plan).unwrap();
    registry.xtask(&folder, &[IMAGE, &["--out", "target/other"]].concat()).expect(0);
    assert!(run(&mut list).expect(0).stdout.contains(&mark));
    registry.xtask(&folder, IMAGE).expect(0);
    assert_eq!(temporary(), 0);
    assert!(!run(&mut list).expect(0).stdout.contains(&mark));
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
