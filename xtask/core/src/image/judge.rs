//! An image, read back, against what was planned. It does not ask how the image was made.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Base, Blob, Recipe, digest, program_path, sha256_of};

/// What was read from the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The manifest.
    pub manifest: Value,
    /// The configuration that it names.
    pub config: Value,
    /// The last layer's paths.
    pub paths: Vec<String>,
    /// sha256 of the program in it; `None` when it holds none.
    pub program: Option<String>,
    /// sha256 of the last layer's tar, after decompression.
    pub diff_id: String,
}

/// What it must be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The plan and the commit.
    pub recipe: Recipe<'a>,
    /// What is below it.
    pub base: &'a Base,
    /// sha256 of the released program.
    pub program: &'a str,
    /// sha256 of the tar that holds that program and nothing else.
    pub diff_id: &'a str,
}

/// Everything in which an image differs from what it must be.
pub fn judge(wanted: &Wanted<'_>, found: &Found) -> Vec<String> {
    let mut problems = Vec::new();
    layers(wanted, found, &mut problems);
    platform(wanted, found, &mut problems);
    process(wanted, found, &mut problems);
    documents(wanted, found, &mut problems);
    problems
}

/// The base's layers, all and unchanged, and one more with the released program alone.
fn layers(wanted: &Wanted<'_>, found: &Found, problems: &mut Vec<String>) {
    let Wanted { base, program, diff_id, .. } = wanted;
    let digests = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|layer| layer["digest"].as_str().unwrap_or_default().into())
            .collect()
    };
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|text| text.as_str().unwrap_or_default().into())
            .collect()
    };
    let below = [digests(&base.manifest["layers"]), texts(&base.config["rootfs"]["diff_ids"])];
    let all = [digests(&found.manifest["layers"]), texts(&found.config["rootfs"]["diff_ids"])];
    for (what, (below, all)) in
        ["manifest", "configuration"].into_iter().zip(below.iter().zip(&all))
    {
        if all.len() != below.len() + 1 {
            problems.push(format!(
                "the {what} has {} layers: the base's {} and one are planned",
                all.len(),
                below.len()
            ));
        } else if !all.starts_with(below) {
            problems.push(format!("the {what}'s first layers are not the base's"));
        }
    }
    let path = program_path(wanted.recipe.package);
    match &found.program {
        None => problems.push(format!("the last layer holds no `{path}`")),
        Some(sha256) if sha256 != program => problems.push(format!(
            "`{path}` is not the released program: sha256 {sha256} instead of {program}"
        )),
        Some(_) => {}
    }
    for other in found.paths.iter().filter(|other| **other != path) {
        problems.push(format!("the last layer holds `{other}`, which is not planned"));
    }
    let named = all.get(1).and_then(|ids| ids.last());
    if found.diff_id != *diff_id || named.is_none_or(|named| *named != digest(diff_id)) {
        problems.push(format!(
            "the last layer is not the tar of the program alone (mode 0755, owner 0, the commit's time): {} instead of {}",
            named.unwrap_or(&found.diff_id),
            digest(diff_id)
        ));
    }
}

fn platform(wanted: &Wanted<'_>, found: &Found, problems: &mut Vec<String>) {
    let goarch = wanted.recipe.target.triple.goarch;
    let created = crate::report::rfc3339(wanted.recipe.seconds);
    for (key, planned) in [("os", "linux"), ("architecture", goarch), ("created", &created)] {
        if found.config[key] != planned {
            problems.push(format!("{key} is {}, and {planned} is planned", found.config[key]));
        }
    }
    if wanted.base.config["architecture"] != goarch {
        problems.push(format!(
            "the base is for {}, and {goarch} is planned",
            wanted.base.config["architecture"]
        ));
    }
}

/// Every setting is the plan's or the base's; there is no other.
fn process(wanted: &Wanted<'_>, found: &Found, problems: &mut Vec<String>) {
    let planned = wanted.recipe.process(wanted.base);
    let actual = &found.config["config"];
    for name in keys(&planned, actual) {
        if planned.get(&name) != actual.get(&name) {
            let text = |value: Option<&Value>| value.map_or("nothing".into(), |v| format!("{v}"));
            problems.push(format!(
                "`{name}` is {}, and {} is planned",
                text(actual.get(&name)),
                text(planned.get(&name))
            ));
        }
    }
    if found.manifest["annotations"] != planned["Labels"] {
        problems.push("the manifest's annotations are not the image's labels".into());
    }
}

/// What nobody looked at above: media types, the history, keys that are not planned. Sizes and digests of what is
/// named are the bytes' own, which whoever read them compared.
fn documents(wanted: &Wanted<'_>, found: &Found, problems: &mut Vec<String>) {
    let Found { manifest, config, diff_id, .. } = found;
    let blob = |descriptor: &Value| Blob {
        sha256: sha256_of(descriptor).unwrap_or_default().into(),
        size: descriptor["size"].as_u64().unwrap_or_default(),
    };
    let last = manifest["layers"].as_array().and_then(|layers| layers.last());
    let last = blob(last.unwrap_or(&Value::Null));
    let Wanted { recipe, base, .. } = wanted;
    let planned = [
        ("manifest", manifest, recipe.manifest(base, &blob(&manifest["config"]), &last)),
        ("configuration", config, recipe.config(base, diff_id)),
    ];
    let seen = ["annotations", "architecture", "config", "created", "os", "rootfs"];
    for (what, actual, planned) in planned {
        for name in keys(&planned, actual) {
            let of_manifest = what == "manifest" && name == "config";
            if planned.get(&name) != actual.get(&name) && (of_manifest || !seen.contains(&&*name)) {
                problems.push(format!("the {what}'s `{name}` is not the planned one"));
            }
        }
    }
}

/// Names in either of two objects.
fn keys(one: &Value, other: &Value) -> BTreeSet<String> {
    [one, other]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|map| map.keys().cloned())
        .collect()
}
