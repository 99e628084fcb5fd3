//! Whether the loopback GitHub answers as GitHub's own description says. `GITHUB_OPENAPI` names that file
//! (github.com/github/rest-api-description, or an extract of it): it is not kept here.

use std::fs;

use serde_json::Value;

use crate::state::{Call, Fault};
use crate::world::World;

/// Path and method of a call, as the description has them.
fn operation(call: Call) -> (&'static str, &'static str) {
    match call {
        Call::Ref => ("/repos/{owner}/{repo}/git/ref/{ref}", "get"),
        Call::Tag => ("/repos/{owner}/{repo}/git/tags/{tag_sha}", "get"),
        Call::List => ("/repos/{owner}/{repo}/releases", "get"),
        Call::Create => ("/repos/{owner}/{repo}/releases", "post"),
        Call::ByTag => ("/repos/{owner}/{repo}/releases/tags/{tag}", "get"),
        Call::Release => ("/repos/{owner}/{repo}/releases/{release_id}", "get"),
        Call::Patch => ("/repos/{owner}/{repo}/releases/{release_id}", "patch"),
        Call::DeleteRelease => ("/repos/{owner}/{repo}/releases/{release_id}", "delete"),
        Call::Assets => ("/repos/{owner}/{repo}/releases/{release_id}/assets", "get"),
        Call::Upload => ("/repos/{owner}/{repo}/releases/{release_id}/assets", "post"),
        Call::Download => ("/repos/{owner}/{repo}/releases/assets/{asset_id}", "get"),
        Call::DeleteAsset => ("/repos/{owner}/{repo}/releases/assets/{asset_id}", "delete"),
    }
}

/// What in a value is not as its schema says: the part of JSON Schema that the description uses. A keyword
/// that is not understood is a problem too.
fn problems(api: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else { return };
    if let Some(link) = schema.get("$ref").and_then(Value::as_str) {
        let target = api.pointer(link.trim_start_matches('#'));
        return match target {
            Some(target) => problems(api, target, value, at, found),
            None => found.push(format!("{at}: {link} leads nowhere")),
        };
    }
    if schema.get("nullable") == Some(&Value::Bool(true)) && value.is_null() {
        return;
    }
    let fits = |schema: &Value| {
        let mut inner = Vec::new();
        problems(api, schema, value, at, &mut inner);
        inner.is_empty()
    };
    for (key, rule) in schema {
        match key.as_str() {
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                let is = |name: &str| match name {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    _ => false,
                };
                if !types.iter().filter_map(Value::as_str).any(is) {
                    found.push(format!("{at}: {value} is not {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().is_some_and(|values| values.contains(value)) {
                    found.push(format!("{at}: {value} is none of {rule}"));
                }
            }
            "required" => {
                let missing = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                for name in missing.filter(|name| value.is_object() && value.get(name).is_none()) {
                    found.push(format!("{at}: lacks {name}"));
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        problems(api, schema, value, &format!("{at}.{name}"), found);
                    }
                }
            }
            "items" => {
                for (i, value) in value.as_array().into_iter().flatten().enumerate() {
                    problems(api, rule, value, &format!("{at}[{i}]"), found);
                }
            }
            "allOf" => {
                rule.as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|s| problems(api, s, value, at, found));
            }
            "anyOf" | "oneOf" => {
                if !rule.as_array().is_some_and(|schemas| schemas.iter().any(fits)) {
                    found.push(format!("{at}: {value} fits nothing of {key}"));
                }
            }
            "format" => {
                let text = value.as_str().unwrap_or_default();
                let right = match rule.as_str() {
                    Some("uri") => text.is_empty() || text.contains("://"),
                    Some("date-time") => {
                        value.is_null() || text.ends_with('Z') && text.contains('T')
                    }
                    _ => true,
                };
                if !right {
                    found.push(format!("{at}: {value} is no {rule}"));
                }
            }
            "title"
            | "description"
            | "example"
            | "examples"
            | "nullable"
            | "default"
            | "deprecated"
            | "maxLength"
            | "minLength"
            | "additionalProperties"
            | "readOnly" => {}
            other if other.starts_with("x-") => {}
            other => found.push(format!("{at}: schema keyword `{other}` is not understood")),
        }
    }
}

#[test]
#[ignore = "needs GITHUB_OPENAPI=FILE, GitHub's description of its API"]
fn the_loopback_github_answers_as_described() {
    let path = std::env::var("GITHUB_OPENAPI")
        .expect("not run: GITHUB_OPENAPI names no file with GitHub's description of its API");
    let api: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    // Every call, also those that find nothing and those that are refused.
    let world = World::new();
    let commit = world.commit();
    world.server.state().tags.insert(crate::world::TAG.to_owned(), (commit, true));
    world.fault(Call::Upload, 1, 1, Fault::Starter { hidden: true });
    world.fault(Call::Upload, 2, 1, Fault::Starter { hidden: false });
    world.fault(Call::Create, 1, 1, Fault::Twin);
    world.upload().expect(0);
    fs::remove_dir_all(world.folder.join("dist")).unwrap();
    world.finalize().expect(0);
    world.assert_published();
    let answers = std::mem::take(&mut world.server.state().answers);
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for (call, status, body) in answers {
        *seen.entry(format!("{call:?} {status}")).or_default() += 1;
        if status >= 500 {
            continue;
        }
        let (path, method) = operation(call);
        let operation = &api["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        // Not every refusal is described of every call: 404 is GitHub's own for all.
        let described = &operation["responses"][status.to_string()];
        if described.is_null() && status != 404 {
            found.push(format!("{call:?}: {status} is not described"));
        }
        let described = match described["$ref"].as_str() {
            Some(link) => api.pointer(link.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => described,
        };
        let schema = &described["content"]["application/json"]["schema"];
        if call == Call::Download && status == 200 || schema.is_null() {
            continue;
        }
        let value: Value = serde_json::from_slice(&body).unwrap();
        problems(&api, schema, &value, &format!("{call:?} {status}"), &mut found);
    }
    println!("{seen:#?}");
    assert!(seen.len() >= 14, "{seen:?}");
    // What a failed upload leaves is shown by GitHub, and is not in its description.
    found.retain(|problem| !problem.contains("state: \"starter\" is none of"));
    found.sort();
    found.dedup();
    assert_eq!(found, Vec::<String>::new());
}
