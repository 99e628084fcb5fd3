//! Debian's registry, and images in layouts that are changed.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use sha2::Digest as _;

use crate::common::{self, Ended, Folder, docker, run};
use crate::{BOOKWORM, BOOKWORM_ARM64, IMAGES, json};

/// Debian's registry on a port of this machine; ended when dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) host: String,
    pub(crate) daemon: String,
}

impl Registry {
    pub(crate) fn start(folder: &Folder) -> Self {
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
    pub(crate) fn push(&self, from: &str, name: &str) -> String {
        let to = format!("docker://{}/{name}:1", self.host);
        self.copy(from, &to);
        let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &to];
        let digest = run(Command::new("skopeo").args(inspect)).expect(0).stdout;
        format!("{}/{name}:1@{}", self.host, digest.trim())
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        let daemon = ["--src-daemon-host", &self.daemon, "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(["copy", "--quiet"]).args(daemon).args([from, to]))
            .expect(0);
    }

    /// The base, which says that it is for arm64.
    pub(crate) fn push_foreign(&self, folder: &Folder) -> String {
        let layout = folder.join("target/foreign");
        self.copy(BOOKWORM, &format!("oci:{}", layout.display()));
        reconfigure(&layout, |config| config["architecture"] = "arm64".into());
        self.push(&format!("oci:{}", layout.display()), "foreign")
    }

    /// The base for both processors, under one name.
    pub(crate) fn push_both(&self, folder: &Folder) -> String {
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

    pub(crate) fn copy_plain(&self, from: &str, to: &str) {
        let copy = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(copy).args([from, to])).expect(0);
    }

    /// Brings an index and all that it names; its name by digest.
    pub(crate) fn copy_all(&self, from: &str, name: &str) -> String {
        let to = format!("docker://{}/{name}:1", self.host);
        let copy = ["copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"];
        run(Command::new("skopeo").args(copy).args([from, &to])).expect(0);
        let digest = hex::encode(sha2::Sha256::digest(self.get(&format!("{name}/manifests/1"))));
        format!("{}/{name}:1@sha256:{digest}", self.host)
    }

    /// What the registry's own interface gives (OCI distribution specification 1.1, "Pulling manifests").
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let types =
            ["index", "manifest"].map(|kind| format!("application/vnd.oci.image.{kind}.v1+json"));
        let accept = format!("Accept: {}, application/octet-stream", types.join(", "));
        let url = format!("http://{}/v2/{path}", self.host);
        let got = Command::new("curl").args(["-sf", "--header", &accept, &url]).output().unwrap();
        assert!(got.status.success(), "{url}");
        got.stdout
    }

    pub(crate) fn xtask(&self, folder: &Folder, args: &[&str]) -> Ended {
        run(common::xtask(folder.path(), args).env("DOCKER_HOST", &self.daemon))
    }
}

/// Adds a document to a layout; its digest and size.
pub(crate) fn add(layout: &Path, document: &Value) -> (String, usize) {
    let text = document.to_string();
    let sha256 = hex::encode(sha2::Sha256::digest(text.as_bytes()));
    fs::write(layout.join("blobs/sha256").join(&sha256), &text).unwrap();
    (format!("sha256:{sha256}"), text.len())
}

/// Changes the configuration of the image in a layout, and all digests that follow from it; its new descriptor.
pub(crate) fn reconfigure(layout: &Path, change: impl FnOnce(&mut Value)) -> Value {
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
