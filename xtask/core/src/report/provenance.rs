//! How a release's programs were made: an in-toto Statement v1 with the predicate of SLSA Provenance v1.
//!
//! It is made from the merged manifest alone, so the same assets give the same bytes, whoever runs
//! `finalize`, and however often. `docs/provenance.md` describes the build type.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What `externalParameters` and `internalParameters` mean.
const BUILD_TYPE: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#build-type-v1");
/// The builder of what was not built, or not all of it, by one workflow.
const DESK: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md#desk");

/// What the manifest does not hold.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// Path of `xtask.toml` below the repository's root.
    pub plan: &'a str,
    /// Its sha256.
    pub plan_sha256: &'a str,
}

/// The statement about the programs of a release, in the order of its manifest.
pub fn statement(manifest: &Value, source: &Source<'_>) -> Value {
    let records = records(manifest);
    let repository = format!("https://github.com/{}", text(&manifest["repository"]));
    let tag = &manifest["tag"];
    let commit = json!({
        "uri": format!("git+{repository}@refs/tags/{}", text(tag)),
        "digest": { "gitCommit": manifest["commit"] },
    });
    let dependencies: Vec<_> = [commit].into_iter().chain(materials(manifest)).collect();
    let builds: Vec<_> = records.iter().map(build).collect();
    let (builder, invocation) = run(records);
    let mut metadata = json!({});
    if let Some(invocation) = invocation {
        metadata["invocationId"] = invocation.into();
    }
    json!({
        "_type": STATEMENT,
        "subject": subjects(manifest),
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "repository": repository,
                    "tag": tag,
                    "plan": { "path": source.plan, "sha256": source.plan_sha256 },
                },
                "internalParameters": { "builds": builds },
                "resolvedDependencies": dependencies,
            },
            "runDetails": { "builder": { "id": builder }, "metadata": metadata },
        },
    })
}

/// Whether a statement is about exactly the programs of a manifest, and about its commit.
///
/// # Errors
/// Every way in which it is not.
pub fn check(statement: &Value, manifest: &Value) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    for (key, wanted) in [("_type", STATEMENT), ("predicateType", PREDICATE)] {
        if statement[key] != *wanted {
            problems.push(format!("{key} is {}, not {wanted}", statement[key]));
        }
    }
    let digests = |list: &Value| -> BTreeMap<String, String> {
        let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = |one: &Value| (text(&one["name"]), text(&one["digest"]["sha256"]));
        entries.iter().map(entry).collect()
    };
    let named = digests(&statement["subject"]);
    let wanted = digests(&subjects(manifest));
    for (name, sha256) in &wanted {
        match named.get(name) {
            None => problems.push(format!("{name}: in the manifest, and no subject")),
            Some(other) if other != sha256 => {
                problems.push(format!("{name}: sha256 {other}, and {sha256} in the manifest"));
            }
            Some(_) => {}
        }
    }
    let extra = named.keys().filter(|name| !wanted.contains_key(*name));
    problems.extend(extra.map(|name| format!("{name}: a subject, and not in the manifest")));
    let definition = &statement["predicate"]["buildDefinition"];
    let commit = &definition["resolvedDependencies"][0]["digest"]["gitCommit"];
    if *commit != manifest["commit"] || commit.is_null() {
        problems.push(format!("built from commit {commit}, not {}", manifest["commit"]));
    }
    let tag = &definition["externalParameters"]["tag"];
    if *tag != manifest["tag"] {
        problems.push(format!("of the tag {tag}, not {}", manifest["tag"]));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn records(manifest: &Value) -> &[Value] {
    manifest["assets"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The programs, then the images: by repository, as whoever pulls them names them.
fn subjects(manifest: &Value) -> Value {
    let subject =
        |name: &Value, sha256: &str| json!({ "name": name, "digest": { "sha256": sha256 } });
    let programs = records(manifest)
        .iter()
        .map(|record| subject(&record["name"], record["sha256"].as_str().unwrap_or_default()));
    let images = images(manifest).iter().map(|image| {
        let digest = image["digest"].as_str().unwrap_or_default();
        subject(&image["repository"], digest.strip_prefix("sha256:").unwrap_or_default())
    });
    programs.chain(images).collect()
}

fn images(manifest: &Value) -> &[Value] {
    manifest["images"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The builder and its run, if one workflow run built everything; else a desk, and no run.
fn run(records: &[Value]) -> (String, Option<String>) {
    let common = |key: &str| {
        let first = records.first()?["origin"][key].as_str()?;
        records.iter().all(|record| record["origin"][key] == first).then(|| first.to_owned())
    };
    // Another tool's work is vouched for by that tool, not by the workflow that took it in.
    let prebuilt = records.iter().any(|record| record["origin"]["prebuilt"].is_object());
    match common("builder").filter(|_| !prebuilt) {
        Some(builder) => (builder, common("invocation")),
        None => (DESK.to_owned(), None),
    }
}

/// How one program was built.
fn build(record: &Value) -> Value {
    let keys = ["name", "triple", "toolchain", "builder", "built_on", "origin"];
    let mut build = json!({});
    for key in keys.into_iter().filter(|key| !record[*key].is_null()) {
        build[key] = record[key].clone();
    }
    // They are dependencies, and stand there.
    if let Some(origin) = build["origin"].as_object_mut() {
        origin.remove("materials");
    }
    build
}

/// Toolchains, images and tools, each once, in the order of their addresses.
fn materials(manifest: &Value) -> Vec<Value> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let mut image = |reference: &str| {
        if let Some((_, digest)) = reference.split_once("@sha256:") {
            let uri = format!("docker://{reference}");
            let material = json!({ "uri": uri, "digest": { "sha256": digest } });
            found.insert(uri, material);
        }
    };
    for record in records(manifest) {
        image(&text(&record["builder"]["image"]["reference"]));
    }
    for made in images(manifest) {
        image(&text(&made["base"]));
    }
    for record in records(manifest) {
        let listed =
            record["origin"]["materials"].as_array().map(Vec::as_slice).unwrap_or_default();
        for material in listed {
            let key = format!("{} {}", text(&material["uri"]), material["digest"]);
            found.insert(key, material.clone());
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(origins: &[Value]) -> Value {
        let assets = origins.iter().enumerate().map(|(i, origin)| {
            json!({
                "name": format!("tool-{i}"), "sha256": "ab".repeat(32), "triple": "t",
                "toolchain": "rustc 1.95.0 (x)", "built_on": { "system": "s", "machine": "m" },
                "builder": { "kind": "zig", "tools": [], "image": null }, "origin": origin,
            })
        });
        json!({
            "repository": "owner/name", "tag": "v1.0.0", "commit": "0123",
            "assets": assets.collect::<Vec<_>>(),
        })
    }

    fn origin(builder: &str, invocation: &str) -> Value {
        json!({ "builder": builder, "invocation": invocation, "materials": [], "prebuilt": null })
    }

    const SOURCE: Source<'_> = Source { plan: "xtask.toml", plan_sha256: "cd" };

    #[test]
    fn one_run_is_the_builder_and_anything_else_a_desk() {
        let desk = |manifest: &Value| {
            let statement = statement(manifest, &SOURCE);
            assert_eq!(check(&statement, manifest), Ok(()));
            let run = statement["predicate"]["runDetails"].clone();
            (text(&run["builder"]["id"]), text(&run["metadata"]["invocationId"]))
        };
        let (ci, other) = (origin("https://w", "https://r/1"), origin("https://w", "https://r/2"));
        assert_eq!(
            desk(&manifest(&[ci.clone(), ci.clone()])),
            ("https://w".into(), "https://r/1".into())
        );
        assert_eq!(desk(&manifest(&[ci.clone(), other])), ("https://w".into(), String::new()));
        for mixed in [origin("https://x", "https://r/1"), Value::Null, json!({ "builder": null })] {
            assert_eq!(desk(&manifest(&[ci.clone(), mixed])), (DESK.into(), String::new()));
        }
        let mut prebuilt = ci.clone();
        prebuilt["prebuilt"] = json!({ "by": "goreleaser" });
        assert_eq!(desk(&manifest(&[ci, prebuilt])).0, DESK);
    }

    #[test]
    fn images_are_subjects_and_their_bases_dependencies() {
        let mut manifest = manifest(&[origin("https://w", "https://r")]);
        let base = format!("debian:12@sha256:{}", "1".repeat(64));
        let image = json!({
            "repository": "registry.example/tool", "base": base,
            "digest": format!("sha256:{}", "2".repeat(64)),
        });
        manifest["images"] = json!([image]);
        let good = statement(&manifest, &SOURCE);
        assert_eq!(check(&good, &manifest), Ok(()));
        assert_eq!(good["subject"][1]["name"], "registry.example/tool");
        assert_eq!(good["subject"][1]["digest"]["sha256"], "2".repeat(64));
        let dependencies = &good["predicate"]["buildDefinition"]["resolvedDependencies"];
        assert_eq!(dependencies[1]["uri"], format!("docker://{base}"));
        assert_eq!(dependencies[1]["digest"]["sha256"], "1".repeat(64));
        manifest["images"][0]["digest"] = format!("sha256:{}", "3".repeat(64)).into();
        let problems = check(&good, &manifest).unwrap_err();
        assert!(problems[0].starts_with("registry.example/tool: sha256 2222"), "{problems:?}");
        manifest["images"] = json!([]);
        let problems = check(&good, &manifest).unwrap_err();
        assert_eq!(problems, ["registry.example/tool: a subject, and not in the manifest"]);
    }

    #[test]
    fn a_statement_about_other_bytes_is_refused() {
        let manifest =
            manifest(&[origin("https://w", "https://r"), origin("https://w", "https://r")]);
        let good = statement(&manifest, &SOURCE);
        let refused = |change: &dyn Fn(&mut Value), part: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let problems = check(&bad, &manifest).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
        };
        refused(&|s| s["subject"][0]["digest"]["sha256"] = "00".into(), "sha256 00");
        refused(&|s| drop(s["subject"].as_array_mut().map(Vec::pop)), "no subject");
        refused(&|s| s["subject"][1]["name"] = "other".into(), "other: a subject");
        refused(&|s| s["predicateType"] = "x".into(), "predicateType");
        refused(&|s| s["_type"] = Value::Null, "_type");
        let definition = |s: &mut Value| s["predicate"]["buildDefinition"].take();
        refused(&|s| drop(definition(s)), "commit");
        refused(
            &|s| s["predicate"]["buildDefinition"]["externalParameters"]["tag"] = "v2".into(),
            "tag",
        );
    }
}
