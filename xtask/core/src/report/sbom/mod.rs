//! What a package's programs are made of, as CycloneDX 1.6 JSON (ECMA-424).
//!
//! The same release gives the same bytes: the time is the commit's, the serial number follows from the
//! content, and everything stands in a fixed order.

mod cargo;
mod go;
mod purl;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::time::rfc3339;

pub use cargo::from_cargo;
pub use go::from_go;

/// The package that is described.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// Name of the package.
    pub package: &'a str,
    /// Version of the release, without a `v`.
    pub version: &'a str,
    /// `owner/name`.
    pub repository: &'a str,
    /// The release's tag.
    pub tag: &'a str,
    /// Full hash of the commit.
    pub commit: &'a str,
    /// Seconds since 1970, of the commit.
    pub seconds: u64,
    /// The package's programs: asset and sha256.
    pub assets: &'a [(String, String)],
}

/// Something that programs are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Component {
    /// Name of the package or module.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Package URL; `None` for a folder of the repository.
    pub purl: Option<String>,
    /// SPDX expression.
    pub licence: Option<String>,
    /// Of the source archive, as the lock file has it.
    pub sha256: Option<String>,
    /// Address of its sources.
    pub repository: Option<String>,
    /// Runs when the program is built, and is not in it.
    pub build_only: bool,
    /// Facts without a field of their own.
    pub properties: Vec<(String, String)>,
}

/// Components by reference, and which of them needs which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The package's own licence, an SPDX expression.
    pub licence: Option<String>,
    /// By `bom-ref`.
    pub components: BTreeMap<String, Component>,
    /// What the package itself needs.
    pub direct: BTreeSet<String>,
    /// What components need; `None` where only the whole set is known.
    pub edges: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Whether nothing is missing among the components.
    pub complete: bool,
}

/// The document.
pub fn cyclonedx(about: &About<'_>, graph: &Graph) -> Value {
    let root = purl::github(about.repository, about.tag);
    let base = format!("https://github.com/{}", about.repository);
    let references = about.assets.iter().map(|(name, sha256)| {
        json!({
            "type": "distribution",
            "url": format!("{base}/releases/download/{}/{name}", about.tag),
            "hashes": [{ "alg": "SHA-256", "content": sha256 }],
        })
    });
    let vcs = json!({ "type": "vcs", "url": format!("{base}.git"), "comment": about.commit });
    let mut component = json!({
        "type": "application",
        "bom-ref": root,
        "name": about.package,
        "version": about.version,
        "purl": root,
    });
    if let Some(licence) = &graph.licence {
        component["licenses"] = json!([{ "expression": licence }]);
    }
    component["externalReferences"] = [vcs].into_iter().chain(references).collect();
    let mut dependencies = Vec::from([json!({ "ref": root, "dependsOn": graph.direct })]);
    for id in graph.components.keys() {
        let needs = graph.edges.as_ref().and_then(|edges| edges.get(id));
        dependencies.push(json!({ "ref": id, "dependsOn": needs.cloned().unwrap_or_default() }));
    }
    let mut bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(about.seconds),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask finalize" }] },
            "component": component,
        },
        "components": graph.components.iter().map(|(id, one)| one.to_json(id)).collect::<Vec<_>>(),
        "dependencies": dependencies,
        "compositions": compositions(&root, graph),
    });
    bom["serialNumber"] = serial(&bom.to_string()).into();
    bom
}

/// What the lists leave out: nothing, the edges between components, or nobody knows what.
fn compositions(root: &str, graph: &Graph) -> Value {
    let aggregate = if graph.complete { "complete" } else { "unknown" };
    let mut all = Vec::from([json!({ "aggregate": aggregate, "dependencies": [root] })]);
    if graph.edges.is_none() && !graph.components.is_empty() {
        let ids: Vec<_> = graph.components.keys().collect();
        all.push(json!({ "aggregate": "unknown", "dependencies": ids }));
    }
    Value::Array(all)
}

impl Component {
    fn to_json(&self, id: &str) -> Value {
        let mut one = json!({
            "type": "library",
            "bom-ref": id,
            "name": self.name,
            "version": self.version,
            "scope": if self.build_only { "excluded" } else { "required" },
        });
        if let Some(sha256) = &self.sha256 {
            one["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
        }
        if let Some(licence) = &self.licence {
            one["licenses"] = json!([{ "expression": licence }]);
        }
        if let Some(purl) = &self.purl {
            one["purl"] = purl.as_str().into();
        }
        if let Some(repository) = &self.repository {
            one["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
        }
        if !self.properties.is_empty() {
            let property =
                |(name, value): &(String, String)| json!({ "name": name, "value": value });
            one["properties"] = self.properties.iter().map(property).collect();
        }
        one
    }
}

/// Tells on which platforms a component is used, unless it is on all.
fn note_platforms(
    components: &mut BTreeMap<String, Component>,
    seen: &BTreeMap<String, Vec<String>>,
    all: usize,
) {
    for (id, component) in components {
        let platforms = seen.get(id).map(Vec::as_slice).unwrap_or_default();
        if platforms.len() < all {
            component.properties.push(("xtask:platforms".to_string(), platforms.join(" ")));
        }
    }
}

/// A UUID of version 5 (RFC 9562, section 5.5), in the namespace of URLs, from the content.
fn serial(content: &str) -> String {
    /// RFC 9562, section 6.6.
    const URL: [u8; 16] = [
        0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30,
        0xc8,
    ];
    let hash = Sha1::new().chain_update(URL).chain_update(content.as_bytes()).finalize();
    let mut text = String::from("urn:uuid:");
    for (i, byte) in hash.iter().take(16).enumerate() {
        let byte = match i {
            6 => byte & 0x0f | 0x50,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_those_of_other_makers() {
        // python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/"))'
        let expected = "urn:uuid:dd2c1780-811a-5296-81c5-178a0ef488bc";
        assert_eq!(serial("https://example.com/"), expected);
    }
}
