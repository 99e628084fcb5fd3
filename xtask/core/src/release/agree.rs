//! Whether what the targets' jobs say they made is what the plan asks for: their manifests, merged and
//! compared.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::manifest::{Digest, Expected, Manifest};
use crate::plan::{Asset, AssetKind, Plan, Target};

/// What the release is made from, besides the plan.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// Full hash of the commit.
    pub commit: &'a str,
    /// The Rust version of `rust-toolchain.toml`; `None` when there is no such file.
    pub rust: Option<&'a str>,
    /// One machine may be builder and user: a rehearsal, never a release.
    pub one_machine: bool,
}

/// Merges manifests of targets into that of the release: one record per asset, in the plan's order.
/// Equal records may come twice.
///
/// # Errors
/// Every disagreement, each naming asset and target.
pub fn merge(plan: &Plan, source: &Source<'_>, parts: &[Value]) -> Result<Value, Vec<String>> {
    let mut problems = Vec::new();
    let mut records: BTreeMap<&str, &Value> = BTreeMap::new();
    for part in parts {
        problems.extend(header(plan, source, part));
        for record in part["assets"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let name = record["name"].as_str().unwrap_or_default();
            match records.get(name) {
                Some(other) if *other != record => {
                    problems.push(format!("{name}: two manifests describe it, and differ"));
                }
                _ => {
                    records.insert(name, record);
                }
            }
        }
    }
    let mut merged = Vec::new();
    for asset in plan.assets.iter().filter(|asset| is_program(asset)) {
        match records.remove(asset.name.as_str()) {
            None => problems.push(format!(
                "{}: no manifest describes it: upload what `cargo xtask dist` made, its manifest included",
                asset.name
            )),
            Some(record) => {
                problems.extend(disagreements(plan, source, asset, record));
                merged.push(record.clone());
            }
        }
    }
    problems
        .extend(records.keys().map(|name| format!("{name}: in a manifest, but not in the plan")));
    if !problems.is_empty() {
        problems.sort_unstable();
        problems.dedup();
        return Err(problems);
    }
    let mut release = parts.first().cloned().unwrap_or_default();
    release["assets"] = Value::Array(merged);
    Ok(release)
}

/// Whether an asset has a record in the manifest.
fn is_program(asset: &Asset) -> bool {
    matches!(asset.kind, AssetKind::Binary | AssetKind::Archive)
}

fn header(plan: &Plan, source: &Source<'_>, part: &Value) -> Vec<String> {
    let platforms: BTreeSet<&str> = part["assets"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|record| record["platform"].as_str())
        .collect();
    let of = platforms.into_iter().collect::<Vec<_>>().join(", ");
    let expected: [(&str, Value); 6] = [
        ("schema", crate::report::SCHEMA.into()),
        ("repository", plan.config.release.repository.as_str().into()),
        ("version", plan.version.as_str().into()),
        ("tag", plan.tag.as_str().into()),
        ("commit", source.commit.into()),
        ("dirty", false.into()),
    ];
    expected
        .into_iter()
        .filter(|(key, value)| part[*key] != *value)
        .map(|(key, value)| format!("manifest of {of}: {key} is {}, not {value}", part[key]))
        .collect()
}

fn disagreements(plan: &Plan, source: &Source<'_>, asset: &Asset, record: &Value) -> Vec<String> {
    let name = &asset.name;
    let Some(target) = asset.platform.as_deref().and_then(|platform| plan.config.target(platform))
    else {
        return Vec::new();
    };
    let floor = target.glibc_floor.map(|floor| format!("{floor}"));
    let mut expected: Vec<(&str, &Value, Value)> = alloc::vec![
        ("package", &record["package"], asset.package.clone().into()),
        ("platform", &record["platform"], target.platform.as_str().into()),
        ("triple", &record["triple"], target.triple.name.into()),
        ("version", &record["version"], plan.version.as_str().into()),
        ("commit", &record["commit"], source.commit.into()),
    ];
    // A Go package, and what is linked statically, is built alike for every builder and has no floor.
    if !record["glibc"].is_null() {
        expected.push(("floor", &record["glibc"]["promised"], floor.into()));
    }
    if record["builder"]["kind"] != "go" {
        expected.push(("builder", &record["builder"]["kind"], target.builder.name().into()));
    }
    let mut problems: Vec<String> = expected
        .into_iter()
        .filter(|(_, found, wanted)| *found != wanted)
        .map(|(what, found, wanted)| format!("{name}: {what} is {found}, the plan says {wanted}"))
        .collect();
    if record["builder"]["image"]["planned"] == false {
        problems.push(format!("{name}: it was built in another image than the plan's"));
    }
    let toolchain = record["toolchain"].as_str().unwrap_or_default();
    if let Some(rust) = source.rust
        && toolchain.starts_with("rustc ")
        && toolchain.split(' ').nth(1) != Some(rust)
    {
        problems.push(format!("{name}: built by `{toolchain}`, rust-toolchain.toml says {rust}"));
    }
    problems.extend(smoke(source, target, record).err().map(|why| format!("{name}: {why}")));
    problems
}

/// An asset must have run, natively, on a machine that did not build it.
fn smoke(source: &Source<'_>, target: &Target, record: &Value) -> Result<(), String> {
    let rows = record["smoke"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| row["outcome"] == "failed") {
        return Err(format!("smoke {} failed: {}", row["check"], row["detail"]));
    }
    let builder = &record["built_on"]["machine"];
    let elsewhere = |row: &Value| source.one_machine || row["where"]["machine"] != *builder;
    let native = |row: &Value| row["how"] == "native" || is_userland(target, row);
    let passed = rows.iter().any(|row| row["outcome"] == "passed" && native(row) && elsewhere(row));
    if passed {
        return Ok(());
    }
    Err("it never ran natively on a machine other than its builder: run `cargo xtask smoke` on one, and hand its record to finalize".to_owned())
}

/// A bare userland image runs the programs of its own libc natively, on the host's kernel.
fn is_userland(target: &Target, row: &Value) -> bool {
    target.triple.os == crate::plan::Os::Linux
        && row["how"]
            .as_str()
            .is_some_and(|how| how.starts_with("container") || how.starts_with("image"))
}

/// Adds smoke rows from other machines to the records that they belong to.
///
/// # Errors
/// When a row is about other bytes than the manifest's.
pub fn add_smoke(parts: &mut [Value], runs: &[Value]) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    for run in
        runs.iter().flat_map(|run| run["assets"].as_array().map(Vec::as_slice).unwrap_or_default())
    {
        let records = parts.iter_mut().filter_map(|part| part["assets"].as_array_mut()).flatten();
        for record in records.filter(|record| record["name"] == run["name"]) {
            if record["sha256"] != run["sha256"] {
                problems.push(format!(
                    "{}: the smoke test ran other bytes than the manifest's",
                    run["name"]
                ));
                continue;
            }
            let added = run["smoke"].as_array().cloned().unwrap_or_default();
            if let Some(rows) = record["smoke"].as_array_mut() {
                for row in added {
                    if !rows.contains(&row) {
                        rows.push(row);
                    }
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Compares the files in hand with a merged manifest's sizes and digests.
pub fn differing_files(manifest: &Value, files: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    for record in manifest["assets"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = record["name"].as_str().unwrap_or_default();
        let said = record["size"].as_u64().zip(record["sha256"].as_str().and_then(Digest::parse));
        let said = said.map(|(size, digest)| Expected { size, digest });
        match files.get(name) {
            None => problems.push(format!("{name}: missing")),
            Some(file) if Some(*file) != said => problems.push(format!(
                "{name}: the file is not the one that its manifest describes (sha256 {} here, {} there)",
                file.digest, record["sha256"]
            )),
            Some(_) => {}
        }
    }
    problems
}
