//! What a container image IS: a base, one layer with one program, and the documents that say so. Written, and
//! judged, as JSON of the OCI image specification 1.1; whatever fetches, packs or hashes is elsewhere.

mod judge;
mod record;
mod tags;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

pub use judge::{Found, Wanted, judge};
pub use record::{Made, listed, members, named};
pub use tags::tags;

use crate::plan::{Image, Package, Target};

/// Media type of a manifest of one platform.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index: one manifest per platform.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Where a program stands in its image, without the leading slash.
pub fn program_path(package: &Package) -> String {
    format!("usr/local/bin/{}", package.binary)
}

/// The folder of an image for one platform.
pub fn layout_name(image: &Image, target: &Target) -> String {
    format!("{}-{}", image.name, target.platform)
}

/// The file that tells of it: not to be taken for a manifest or a smoke record among a release's results.
pub fn record_name(image: &Image, target: &Target) -> String {
    format!("image-{}.json", layout_name(image, target))
}

/// Bytes, by what names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

impl Blob {
    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": digest(&self.sha256), "size": self.size })
    }
}

fn digest(sha256: &str) -> String {
    format!("sha256:{sha256}")
}

/// The image below, as its registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its manifest, of one platform.
    pub manifest: Value,
    /// Its configuration.
    pub config: Value,
}

/// All that an image follows from, besides base and program.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// As planned.
    pub image: &'a Image,
    /// Whose program it holds.
    pub package: &'a Package,
    /// What it is made for.
    pub target: &'a Target,
    /// `owner/name` on the forge.
    pub source: &'a str,
    /// The release's version.
    pub version: &'a str,
    /// The commit that the program was built from.
    pub commit: &'a str,
    /// That commit's time, in seconds since 1970: the same commit makes the same bytes.
    pub seconds: u64,
}

impl Recipe<'_> {
    /// Annotations of the OCI image specification: what the image is, and what it was made from. The
    /// base's own are not inherited: they describe the base.
    fn labels(&self) -> Value {
        let (base, base_digest) = self.image.base.split_once('@').unwrap_or((&self.image.base, ""));
        let labels = [
            ("base.digest", base_digest),
            ("base.name", base),
            ("created", &crate::report::rfc3339(self.seconds)),
            ("description", &self.image.description),
            ("licenses", &self.image.licenses),
            ("revision", self.commit),
            ("source", &format!("https://github.com/{}", self.source)),
            ("title", &self.image.name),
            ("version", self.version),
        ];
        let named = labels
            .map(|(name, value)| (format!("org.opencontainers.image.{name}"), Value::from(value)));
        Value::Object(named.into_iter().collect())
    }

    /// What a container is started with. The environment and the working folder are the base's.
    fn process(&self, base: &Base) -> Value {
        let mut process = Map::new();
        let ports = self.image.ports.iter().map(|port| (port.clone(), json!({})));
        process.insert("User".into(), self.image.user.clone().into());
        if !self.image.ports.is_empty() {
            process.insert("ExposedPorts".into(), Value::Object(ports.collect()));
        }
        for name in ["Env", "WorkingDir"] {
            if let Some(value) = base.config["config"].get(name) {
                process.insert(name.into(), value.clone());
            }
        }
        process.insert("Entrypoint".into(), json!([format!("/{}", program_path(self.package))]));
        if !self.image.args.is_empty() {
            process.insert("Cmd".into(), self.image.args.clone().into());
        }
        process.insert("Labels".into(), self.labels());
        Value::Object(process)
    }

    /// The configuration; `diff_id` names the layer's tar before it was compressed.
    pub fn config(&self, base: &Base, diff_id: &str) -> Value {
        let created = crate::report::rfc3339(self.seconds);
        let mut layers = list(&base.config["rootfs"]["diff_ids"]);
        layers.push(digest(diff_id).into());
        let mut config = json!({
            "created": created,
            "architecture": self.target.triple.goarch,
            "os": "linux",
            "config": self.process(base),
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        // A history that does not tell of every layer is worse than none.
        let mut history = list(&base.config["history"]);
        let of_layers = history.iter().filter(|entry| entry["empty_layer"] != true).count();
        if of_layers == list(&base.config["rootfs"]["diff_ids"]).len() {
            let by = format!("cargo xtask image: {}", program_path(self.package));
            history.push(json!({ "created": created, "created_by": by }));
            config["history"] = history.into();
        }
        config
    }

    /// The manifest over a configuration and a layer that were written.
    pub fn manifest(&self, base: &Base, config: &Blob, layer: &Blob) -> Value {
        let mut layers = list(&base.manifest["layers"]);
        layers.push(layer.descriptor(LAYER));
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": layers,
            "annotations": self.labels(),
        })
    }

    /// `index.json` of a layout that holds this image alone.
    pub fn layout_index(&self, manifest: &Blob) -> Value {
        let mut entry = manifest.descriptor(MANIFEST);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": self.version });
        json!({ "schemaVersion": 2, "manifests": [entry] })
    }
}

/// The index of one image for several platforms: the architecture and the manifest of each, in order.
pub fn index(of: &[(&str, Blob)]) -> Value {
    let entries = of.iter().map(|(goarch, manifest)| {
        let mut entry = manifest.descriptor(MANIFEST);
        entry["platform"] = json!({ "architecture": goarch, "os": "linux" });
        entry
    });
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries.collect::<Vec<_>>() })
}

/// `index.json` of a layout that holds one index, and what that names.
pub fn layout_of(index: &Blob) -> Value {
    json!({ "schemaVersion": 2, "manifests": [index.descriptor(INDEX)] })
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The digest in a descriptor, without its algorithm; `None` when that is not sha256.
pub fn sha256_of(descriptor: &Value) -> Option<&str> {
    let hex = descriptor["digest"].as_str()?.strip_prefix("sha256:")?;
    let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (hex.len() == 64 && hex.bytes().all(digits)).then_some(hex)
}

/// Digests of all blobs that a manifest names.
///
/// # Errors
/// The name of the first descriptor that is none.
pub fn blobs(manifest: &Value) -> Result<Vec<String>, String> {
    let descriptors = [&manifest["config"]]
        .into_iter()
        .chain(manifest["layers"].as_array().into_iter().flatten());
    descriptors
        .map(|descriptor| {
            sha256_of(descriptor)
                .map(ToString::to_string)
                .ok_or_else(|| format!("`{descriptor}` is no descriptor with a sha256"))
        })
        .collect()
}
