//! Whether what the targets' jobs say they made is what the plan asks for: their manifests, merged and
//! compared.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::manifest::{Digest, Expected, Manifest};
use crate::plan::{Asset, AssetKind, Kind, Libc, Os, Plan, Target};

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
    // Made anew, from these.
    for key in ["files", "images"] {
        release[key] = Value::Array(Vec::new());
    }
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
    // What is linked statically has no floor.
    if !record["glibc"].is_null() {
        expected.push(("floor", &record["glibc"]["promised"], floor.into()));
    }
    let package = plan.config.packages.iter().find(|p| Some(&p.name) == asset.package.as_ref());
    let builder = match package.map(|package| package.kind) {
        Some(kind @ (Kind::Go | Kind::Prebuilt)) => kind.name(),
        _ => target.builder.name(),
    };
    expected.push(("builder", &record["builder"]["kind"], builder.into()));
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

/// An asset must have run, in a way that counts, on a machine that did not build it.
fn smoke(source: &Source<'_>, target: &Target, record: &Value) -> Result<(), String> {
    let rows = record["smoke"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| row["outcome"] == "failed") {
        return Err(format!("smoke {} failed: {}", row["check"], row["detail"]));
    }
    let builder = &record["built_on"]["machine"];
    let elsewhere = |row: &Value| source.one_machine || row["where"]["machine"] != *builder;
    let passed = |row: &&Value| row["outcome"] == "passed" && elsewhere(row);
    if rows.iter().filter(passed).any(|row| counts(target, row)) {
        return Ok(());
    }
    let emulated = rows.iter().filter(passed).any(is_emulated);
    let mut why = "it never ran natively on a machine other than its builder".to_owned();
    if target.triple.libc == Libc::Musl {
        why += ", in one of the plan's `userlands`";
    }
    why += &format!(
        ": run `cargo xtask smoke --target {} --userlands` on one, and hand its record to finalize",
        target.platform
    );
    if emulated {
        why += &format!(
            "; or set `emulated = true` for {} in xtask.toml, and what ran emulated is enough",
            target.platform
        );
    }
    Err(why)
}

/// Whether a run shows that users can run it: natively, or emulated where the plan says so. What is for
/// musl must have run where there is nothing but musl.
fn counts(target: &Target, row: &Value) -> bool {
    if is_emulated(row) {
        return target.emulated;
    }
    match (target.triple.os, target.triple.libc) {
        (Os::Linux, Libc::Musl) => is_planned_userland(target, row),
        (Os::Linux, _) => row["how"] == "native" || in_userland(row),
        _ => row["how"] == "native",
    }
}

fn is_emulated(row: &Value) -> bool {
    row["how"] == "emulated" || row["how"] == "wine"
}

/// An image runs a program natively, on the host's kernel.
fn in_userland(row: &Value) -> bool {
    row["how"].as_str().is_some_and(|how| how.starts_with("container") || how.starts_with("image"))
}

/// The row's system begins with the image's name.
fn is_planned_userland(target: &Target, row: &Value) -> bool {
    let system = row["where"]["system"].as_str().unwrap_or_default();
    let named = |image: &String| {
        system.strip_prefix(image.as_str()).is_some_and(|rest| rest.starts_with(' '))
    };
    in_userland(row) && target.userlands.iter().any(named)
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
    let listed = ["assets", "files"].into_iter().filter_map(|key| manifest[key].as_array());
    for record in listed.flatten() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Config, Facts};
    use serde_json::json;

    const ALPINE: &str =
        "alpine@sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn target(triple: &str, emulated: bool) -> Target {
        let (runner, more) = match triple {
            "x86_64-pc-windows-msvc" => ("windows-2025", String::new()),
            "aarch64-apple-darwin" => ("macos-15", "macos-min = \"11.0\"".to_owned()),
            "aarch64-unknown-linux-musl" => ("r", format!("userlands = [\"{ALPINE}\"]")),
            _ => ("r", "glibc-floor = \"2.17\"".to_owned()),
        };
        let text = format!(
            "[release]\nrepository = \"o/n\"\n[[target]]\nplatform = \"p\"\ntriple = \"{triple}\"\n\
             builder = \"native\"\nrunner = \"{runner}\"\nemulated = {emulated}\n{more}\n\
             [[package]]\nname = \"t\"\nkind = \"rust\"\npath = \"t\"\ntargets = [\"p\"]\n"
        );
        let plan = Plan::new(Config::parse(&text).unwrap(), &Facts { version: "1.0.0".into() });
        plan.config.targets[0].clone()
    }

    /// Every way to run × every kind of target × what the plan allows × where it ran.
    #[test]
    fn which_runs_count() {
        const GNU: &str = "aarch64-unknown-linux-gnu";
        const MUSL: &str = "aarch64-unknown-linux-musl";
        const MAC: &str = "aarch64-apple-darwin";
        const WINDOWS: &str = "x86_64-pc-windows-msvc";
        let in_alpine = format!("{ALPINE} (sha256:1) in docker 28.0");
        // (how, system, on which triples it counts without `emulated`)
        let rows: &[(&str, &str, &[&str])] = &[
            ("native", "Debian", &[GNU, MAC, WINDOWS]),
            ("container", &in_alpine, &[GNU, MUSL]),
            ("container", "debian:12 (sha256:2) in docker 28.0", &[GNU]),
            ("emulated", "Debian", &[]),
            ("wine", "Debian", &[]),
        ];
        for triple in [GNU, MUSL, MAC, WINDOWS] {
            for emulated in [false, true] {
                let target = target(triple, emulated);
                for (how, system, good_on) in rows {
                    for (machine, one_machine, elsewhere) in
                        [("user", false, true), ("builder", false, false), ("builder", true, true)]
                    {
                        let record = json!({
                            "built_on": { "machine": "builder" },
                            "smoke": [{
                                "check": "version", "outcome": "passed", "how": how,
                                "where": { "system": system, "machine": machine }, "detail": "",
                            }],
                        });
                        let allowed = emulated && matches!(*how, "emulated" | "wine");
                        let expected = elsewhere && (allowed || good_on.contains(&triple));
                        let source = Source { commit: "", rust: None, one_machine };
                        let result = smoke(&source, &target, &record);
                        let case = format!("{triple} {emulated} {how} in {system} on {machine}");
                        assert_eq!(result.is_ok(), expected, "{case}: {result:?}");
                        let Err(why) = result else { continue };
                        assert!(why.contains("--target p --userlands"), "{case}: {why}");
                        let told = elsewhere && matches!(*how, "emulated" | "wine");
                        assert_eq!(why.contains("`emulated = true` for p"), told, "{case}: {why}");
                        assert_eq!(why.contains("userlands`:"), triple == MUSL, "{case}: {why}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_failed_or_was_not_run_counts_for_nothing() {
        let target = target("aarch64-unknown-linux-gnu", true);
        let source = Source { commit: "", rust: None, one_machine: true };
        let row = |outcome: &str| json!({ "check": "dlopen", "outcome": outcome, "how": "native", "where": {}, "detail": "d" });
        let judge = |rows: Vec<Value>| smoke(&source, &target, &json!({ "smoke": rows }));
        assert!(judge(Vec::new()).is_err());
        assert!(judge([row("not-run")].into()).is_err());
        assert!(judge([row("passed"), row("failed")].into()).unwrap_err().contains("failed"));
        assert!(judge([row("passed"), row("not-run")].into()).is_ok());
    }
}
