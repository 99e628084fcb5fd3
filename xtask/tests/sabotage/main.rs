//! Proof by sabotage: deliberately bad artifacts, each made from a good one by a small edit, each
//! caught by the rules it breaks and by no other; and what the other gates must not let through.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod elf;
mod elf_file;
mod gates;
mod macho;
mod macho_file;
mod pe;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::Output;

use xtask_core::audit::{self, Finding, Policy, Severity};
use xtask_core::formats::{self, Unread};
use xtask_core::report::audit::{Earlier, compare};

/// What must become of a bad artifact.
pub(crate) enum Caught {
    /// By exactly these rules.
    By(&'static [&'static str]),
    /// It cannot be judged; the reason says this.
    NotAuditable(&'static str),
    /// By exactly these rules when compared with the good one.
    Against(&'static [&'static str]),
}

/// How to make a bad artifact of a good one.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) good: Vec<u8>,
    pub(crate) bad: Vec<u8>,
    pub(crate) caught: Caught,
}

fn recipes() -> Vec<Recipe> {
    let recipes: Vec<_> =
        [elf::recipes(), macho::recipes(), pe::recipes()].into_iter().flatten().collect();
    let names: BTreeSet<_> = recipes.iter().map(|recipe| recipe.name).collect();
    assert_eq!(names.len(), recipes.len(), "two recipes of one name");
    recipes
}

/// The verdict on some bytes by all rules but one: the ids of the errors, or why there is none.
fn verdict(bytes: &[u8], policy: &Policy, without: Option<&str>) -> Result<Vec<Finding>, String> {
    let binary = match formats::read(&bytes) {
        Ok(binary) => binary,
        Err(Unread::NotAuditable { reason, .. }) => return Err(reason),
        Err(other) => panic!("{other}"),
    };
    let rules = audit::rules().filter(|rule| Some(rule.id) != without);
    let findings = audit::audit_with(rules, &binary, Some(&bytes), policy).unwrap();
    Ok(findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect())
}

fn ids(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

/// What got worse from one file to another, told by the reports.
fn worse(then: &[u8], now: &[u8], policy: &Policy) -> BTreeSet<&'static str> {
    let judged = |bytes: &[u8]| audit::Judged {
        path: "program".into(),
        size: Some(bytes.len() as u64),
        verdict: audit::Verdict::Read {
            binary: formats::read(&bytes).unwrap(),
            findings: Vec::new(),
        },
    };
    let earlier = xtask_core::report::audit::json(&[judged(then)]);
    let mut now = judged(now);
    compare(&mut now, &Earlier::parse(&earlier).unwrap(), policy);
    match now.verdict {
        audit::Verdict::Read { findings, .. } => ids(&findings),
        audit::Verdict::NotAuditable { reason, .. } => panic!("{reason}"),
    }
}

/// All that is wrong at once.
fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn good_artifacts_pass() {
    let mut problems = Vec::new();
    for recipe in recipes() {
        let found = verdict(&recipe.good, &recipe.policy, None);
        if found != Ok(Vec::new()) {
            problems.push(format!("{}: {found:#?}", recipe.name));
        }
    }
    report(&problems);
}

#[test]
fn bad_artifacts_are_caught_by_the_right_rules() {
    let mut problems = Vec::new();
    for recipe in recipes() {
        let name = recipe.name;
        let found = verdict(&recipe.bad, &recipe.policy, None);
        let right = match (&recipe.caught, &found) {
            (Caught::By(rules), Ok(found)) => ids(found) == rules.iter().copied().collect(),
            (Caught::NotAuditable(reason), Err(found)) => found.contains(reason),
            (Caught::Against(rules), Ok(_)) => {
                let found = worse(&recipe.good, &recipe.bad, &recipe.policy);
                found == rules.iter().copied().collect()
            }
            _ => false,
        };
        if !right {
            problems.push(format!("{name}: {found:#?}"));
        }
    }
    report(&problems);
}

#[test]
fn every_rule_is_exercised_and_missed_when_disabled() {
    let recipes = recipes();
    for rule in audit::rules() {
        // Somebody must be let through when this rule is off.
        let kills_alone = recipes.iter().any(|recipe| match &recipe.caught {
            Caught::By(rules) => {
                *rules == [rule.id]
                    && verdict(&recipe.bad, &recipe.policy, Some(rule.id)) == Ok(Vec::new())
            }
            Caught::Against(rules) => *rules == [rule.id],
            Caught::NotAuditable(_) => false,
        });
        assert!(kills_alone, "no sabotage is caught by {} alone", rule.id);
    }
}

#[test]
fn padding_changes_no_verdict() {
    for recipe in recipes() {
        let mut padded = recipe.bad.clone();
        padded.extend([0; 5000]);
        match recipe.caught {
            // Nothing may follow a signature; what was cut off is there again, if only as zeros.
            Caught::By(rules) if recipe.name.starts_with("macho") => {
                let found = ids(&verdict(&padded, &recipe.policy, None).expect(recipe.name));
                let expected: BTreeSet<_> = rules.iter().copied().collect();
                for rule in found.symmetric_difference(&expected) {
                    let by_padding = ["macho-signature", "macho-truncated"].contains(rule);
                    assert!(by_padding, "{}: {rule}", recipe.name);
                }
                assert!(found.contains("macho-signature") || !expected.contains("macho-signature"));
            }
            Caught::By(rules) => {
                let found = verdict(&padded, &recipe.policy, None).expect(recipe.name);
                assert_eq!(ids(&found), rules.iter().copied().collect(), "{}", recipe.name);
            }
            // A byte that was cut off may have been a zero.
            Caught::NotAuditable("cut off") => {}
            // Zeros in place of what was cut off are damage too.
            Caught::NotAuditable(_) => {
                assert_ne!(
                    verdict(&padded, &recipe.policy, None),
                    Ok(Vec::new()),
                    "{}",
                    recipe.name
                );
            }
            Caught::Against(_) => {}
        }
    }
}

/// Through the command: other names, other folders, inside archives, on standard input.
#[test]
fn names_and_folders_change_no_verdict() {
    let folder = support::scratch("sabotage-names");
    let bad: Vec<_> = recipes()
        .into_iter()
        .filter(|recipe| recipe.policy == audit::policies::POLICIES[0].policy)
        .filter(|recipe| !matches!(recipe.caught, Caught::Against(_)))
        .collect();
    assert!(bad.len() >= 10, "too few recipes for the default policy");
    for (i, recipe) in bad.iter().enumerate() {
        let plain = folder.join(recipe.name);
        std::fs::write(&plain, &recipe.bad).unwrap();
        let here = outcome(plain.to_str().unwrap());
        let deep = folder.join(format!("weg/näch/ {i}/README.txt"));
        std::fs::create_dir_all(deep.parent().unwrap()).unwrap();
        std::fs::write(&deep, &recipe.bad).unwrap();
        let there = outcome(deep.to_str().unwrap());
        assert_eq!(here, there, "{}", recipe.name);
        let archive = folder.join(format!("{i}.tar"));
        std::fs::write(&archive, tar_of(&recipe.bad)).unwrap();
        assert_eq!(here, outcome(archive.to_str().unwrap()), "{}, in an archive", recipe.name);
        let mut piped = support::xtask();
        piped.args(["audit", "--json", "-"]).stdin(std::fs::File::open(&plain).unwrap());
        assert_eq!(here, told(&piped.output().unwrap()), "{}, piped", recipe.name);
        match recipe.caught {
            Caught::By(rules) => assert_eq!(here.1, rules.iter().copied().collect()),
            _ => assert_eq!(here.0, "not_auditable", "{}", recipe.name),
        }
    }
}

/// An archive of one file.
fn tar_of(bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, "notes.txt", bytes).unwrap();
    archive.into_inner().unwrap()
}

fn outcome(path: &str) -> (String, BTreeSet<&'static str>) {
    told(&support::run(&["audit", "--json", path]))
}

/// The outcome and the rules broken, as `audit --json` tells them.
fn told(output: &Output) -> (String, BTreeSet<&'static str>) {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_str(&support::stdout(output)).unwrap();
    let file = &json["files"][0];
    let findings = file["findings"].as_array().unwrap();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error");
    let rules = errors.map(|finding| {
        let id = finding["rule"].as_str().unwrap();
        audit::rules().find(|rule| rule.id == id).expect("a rule of the table").id
    });
    (file["outcome"].as_str().unwrap().into(), rules.collect())
}
