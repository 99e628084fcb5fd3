//! Rules that compare: what an earlier release had, and this one has worse.
//!
//! They read the audit's own JSON, of then and of now, so that an old manifest is enough.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Check, Finding, Judge, Policy, Reads, Rule, rules};
use crate::formats::Version;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "worse-floor",
        title: "compared with the earlier release, it runs on no fewer systems",
        reads: Reads::Headers,
        why: "A new toolchain or runner image raises the floor without anybody asking for it; \
              users of the systems left out find out first.",
        incidents: &[
            "uf#1264, drasi-core#601: a newer runner image, and 2.39 all at once",
            "oven-sh/bun#29461",
        ],
        fix: "find what raised it (the symbols are in `audit --json`), or announce the systems \
              that are left out",
        check: Check::Against(floor),
    },
    Rule {
        id: "worse-needed",
        title: "compared with the earlier release, it needs no further library",
        reads: Reads::Headers,
        why: "A library that the last release did not need is one that users may not have.",
        incidents: &["openai/codex#22905", "owasp-noir/noir#2236"],
        fix: "link it statically or drop the dependency; or announce it",
        check: Check::Against(libraries),
    },
    Rule {
        id: "worse-hardening",
        title: "compared with the earlier release, no protection is gone",
        reads: Reads::Headers,
        why: "A changed linker flag or a new toolchain drops one silently.",
        incidents: &[
            "Glyndor/podup#1644: what rests on a toolchain's default is gone with its next release",
        ],
        fix: "compare the link lines of the two releases",
        check: Check::Against(hardening),
    },
    Rule {
        id: "worse-size",
        title: "compared with the earlier release, it is not over a tenth larger",
        reads: Reads::Headers,
        why: "A sudden growth is a forgotten `strip`, a debug build or a dependency nobody meant.",
        incidents: &[
            "databendlabs/databend#7792: 690 MB instead of 93, unstripped",
            "utwente-fmt/ltsmin#124",
        ],
        fix: "look at what was added (`cargo bloat`), and whether it was stripped",
        check: Check::Against(size),
    },
];

/// Two reports of one file: entries of the audit's JSON.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// The earlier one.
    pub then: &'a Value,
    /// Today's.
    pub now: &'a Value,
}

/// What got worse.
#[must_use]
pub fn compare(reports: &Earlier<'_>, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules() {
        if let Check::Against(check) = rule.check {
            let severity = policy.severity(rule.id);
            check(reports, &mut Judge { rule, severity, findings: &mut findings });
        }
    }
    findings
}

/// Fields that hold a version, and what they are called.
const FLOORS: [(&str, &str); 4] =
    [("glibc_floor", "glibc"), ("glibcxx", "GLIBCXX"), ("cxxabi", "CXXABI"), ("gcc", "GCC")];

fn floor(reports: &Earlier<'_>, judge: &mut Judge<'_>) {
    let version =
        |report: &Value, field| -> Option<Version> { report.get(field)?.as_str()?.parse().ok() };
    for (field, name) in FLOORS {
        if reports.then.get(field).is_none() {
            continue;
        }
        let (then, now) = (version(reports.then, field), version(reports.now, field));
        if now > then {
            let text = |version: Option<Version>| {
                version.map_or(format!("no {name}"), |version| format!("{name} {version}"))
            };
            judge.finding(format!("{} or older, as before", text(then)), text(now));
        }
    }
    for (then, now) in slices(reports) {
        if let (Some(old), Some(new)) = (version(then, "minos"), version(now, "minos"))
            && new > old
        {
            judge.finding(format!("macOS {old} or older, as before"), format!("macOS {new}"));
        }
    }
}

/// Slices of one architecture in both.
fn slices<'a>(reports: &Earlier<'a>) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let list = |report: &'a Value| report.get("slices").and_then(Value::as_array);
    let then = list(reports.then);
    list(reports.now).into_iter().flatten().filter_map(move |now| {
        let same = |other: &&Value| other.get("arch") == now.get("arch");
        Some((then?.iter().find(same)?, now))
    })
}

/// Fields that list libraries.
const LIBRARIES: [&str; 3] = ["needed", "imports", "delay_imports"];

fn libraries(reports: &Earlier<'_>, judge: &mut Judge<'_>) {
    let mut pairs: Vec<_> =
        LIBRARIES.into_iter().map(|field| (field, reports.then, reports.now)).collect();
    pairs.extend(slices(reports).map(|(then, now)| ("dylibs", then, now)));
    for (field, then, now) in pairs {
        let Some(then) = then.get(field).map(names) else { continue };
        for name in now.get(field).map(names).unwrap_or_default() {
            if !then.contains(&name) {
                judge.finding(format!("{}, as before", then.join(", ")), name);
            }
        }
    }
}

/// The names in a list: texts, or objects with a `name`.
fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let name =
        |item: &Value| item.as_str().or_else(|| item.get("name")?.as_str()).map(String::from);
    items.iter().filter_map(name).collect()
}

/// Fields that tell a protection, and their values from worst to best.
const PROTECTIONS: [(&str, &[&str]); 12] = [
    ("nx", &["false", "true"]),
    ("wx", &["true", "false"]),
    ("textrel", &["true", "false"]),
    ("pie", &["false", "true"]),
    ("relro", &["\"none\"", "\"partial\"", "\"full\""]),
    ("bind_now", &["false", "true"]),
    ("rpath", &["", "null"]),
    ("runpath", &["", "null"]),
    ("aslr", &["false", "true"]),
    ("high_entropy", &["false", "true"]),
    ("cfg", &["false", "true"]),
    ("signed", &["false", "true"]),
];

fn hardening(reports: &Earlier<'_>, judge: &mut Judge<'_>) {
    for (field, values) in PROTECTIONS {
        let (Some(then), Some(now)) = (reports.then.get(field), reports.now.get(field)) else {
            continue;
        };
        let (then, now) = (format!("{then}"), format!("{now}"));
        let rank = |value: &str| values.iter().position(|known| *known == value);
        // A value outside the list is the worst one where the list has a place for it (a path).
        let other = (values.first() == Some(&"")).then_some(0);
        if let (Some(old), Some(new)) = (rank(&then).or(other), rank(&now).or(other))
            && new < old
        {
            judge.finding(format!("{field}: {then}, as before"), format!("{field}: {now}"));
        }
    }
}

/// Growth that is not worth a word, in bytes.
const SMALL: u64 = 16 * 1024;

fn size(reports: &Earlier<'_>, judge: &mut Judge<'_>) {
    let size = |report: &Value| report.get("size").and_then(Value::as_u64);
    if let (Some(then), Some(now)) = (size(reports.then), size(reports.now))
        && now > then.saturating_add((then / 10).max(SMALL))
    {
        judge.finding(format!("about {then} bytes, as before"), format!("{now} bytes"));
    }
}
