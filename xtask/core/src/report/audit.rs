//! What an audit found, as JSON (`schemas/audit.schema.json`) and as text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::{finding, macho, pe};
use crate::audit::distros::{Distro, major, reach};
use crate::audit::policies::POLICIES;
use crate::audit::{self, Finding, Judged, Outcome, Policy, Reads, Severity, Verdict};
use crate::formats::elf::Elf;
use crate::formats::{Binary, Version};

/// The version of the JSON's shape: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// The whole answer: `{"schema": N, "files": [...]}`.
#[must_use]
pub fn json(files: &[Judged]) -> Value {
    json!({ "schema": SCHEMA, "files": files.iter().map(entry).collect::<Vec<_>>() })
}

/// The same as text, of entries that were rendered one by one: with thousands of files that is most of
/// the work, and can be shared out.
#[must_use]
pub fn join(entries: &[String]) -> String {
    format!("{{\"schema\":{SCHEMA},\"files\":[{}]}}", entries.join(","))
}

/// What a manifest keeps of one program, for later comparisons ([`Earlier`]): all but the symbols,
/// which are many, and the findings, which it has apart.
#[must_use]
pub fn kept(name: &str, size: u64, binary: &Binary) -> Value {
    let verdict = Verdict::Read { binary: binary.clone(), findings: Vec::new() };
    let mut entry = entry(&Judged { path: name.into(), size: Some(size), verdict });
    if let Some(fields) = entry.as_object_mut() {
        for field in ["symbols", "outcome", "reason", "findings"] {
            fields.shift_remove(field);
        }
    }
    entry
}

/// One file. Every field its format has is there, and `null` means "not there". A file that is
/// `not_auditable` has none of them: nothing is known of it.
#[must_use]
pub fn entry(judged: &Judged) -> Value {
    let mut fields = Map::new();
    fields.insert("path".into(), judged.path.as_str().into());
    let (format, findings, reason) = match &judged.verdict {
        Verdict::Read { binary, findings } => (Some(binary.format()), &findings[..], None),
        Verdict::NotAuditable { format, reason } => (*format, &[][..], Some(reason.as_str())),
    };
    fields.insert("size".into(), judged.size.into());
    fields.insert("format".into(), format.map(|format| format.name()).into());
    fields.insert("outcome".into(), judged.outcome().name().into());
    fields.insert("reason".into(), reason.into());
    let findings: Vec<_> = findings.iter().map(finding).collect();
    fields.insert("findings".into(), findings.into());
    match &judged.verdict {
        Verdict::Read { binary: Binary::Elf(found), .. } => elf(found, &mut fields),
        Verdict::Read { binary: Binary::MachO(found), .. } => macho::fields(found, &mut fields),
        Verdict::Read { binary: Binary::Pe(found), .. } => pe::fields(found, &mut fields),
        Verdict::NotAuditable { .. } => {}
    }
    Value::Object(fields)
}

/// The fields of an ELF file, in their order.
const ELF_FIELDS: [&str; 26] = [
    "arch",
    "libc",
    "linkage",
    "loader",
    "interpreter",
    "soname",
    "needed",
    "rpath",
    "runpath",
    "glibc_max",
    "glibc_floor",
    "glibc_strong",
    "glibcxx",
    "cxxabi",
    "gcc",
    "nonnumeric",
    "versions",
    "symbols",
    "nx",
    "wx",
    "textrel",
    "pie",
    "relro",
    "bind_now",
    "runs_on",
    "leaves_out",
];

fn elf(elf: &Elf, fields: &mut Map<String, Value>) {
    let floors = elf.floors();
    let reach = reach(elf);
    let values: [Value; ELF_FIELDS.len()] = [
        elf.arch.as_str().into(),
        elf.libc.name().into(),
        elf.linkage.name().into(),
        elf.loader.into(),
        elf.interpreter.as_deref().into(),
        elf.soname.as_deref().into(),
        elf.needed.clone().into(),
        elf.rpath.as_deref().into(),
        elf.runpath.as_deref().into(),
        version(floors.max),
        version(floors.floor),
        version(floors.strong),
        version(elf.highest("GLIBCXX_")),
        version(elf.highest("CXXABI_")),
        version(elf.highest("GCC_")),
        elf.nonnumeric().into(),
        versions(elf),
        symbols(elf),
        elf.nx.into(),
        elf.wx.into(),
        elf.textrel.into(),
        elf.pie.into(),
        elf.relro.name().into(),
        elf.bind_now.into(),
        reach.as_ref().map(|reach| names(&reach.oldest)).into(),
        reach.as_ref().map(|reach| names(&reach.left_out)).into(),
    ];
    fields.extend(ELF_FIELDS.iter().map(ToString::to_string).zip(values));
}

fn version(version: Option<Version>) -> Value {
    version.map(|version| version.to_string()).into()
}

fn names(distros: &[&Distro]) -> Vec<String> {
    distros.iter().map(|distro| distro.name()).collect()
}

fn versions(elf: &Elf) -> Value {
    let one = |need: &crate::formats::elf::VersionNeed| {
        json!({
            "version": need.name,
            "library": need.library,
            "weak": need.weak,
            "strong": need.is_strong(),
        })
    };
    elf.versions.iter().map(one).collect()
}

fn symbols(elf: &Elf) -> Value {
    let mut list = Vec::new();
    for need in &elf.versions {
        for symbol in &need.symbols {
            list.push(json!({
                "name": symbol.name,
                "version": need.name,
                "library": need.library,
                "weak": symbol.weak,
            }));
        }
    }
    list.into()
}

/// For people: a line for each file, its findings below.
#[must_use]
pub fn text(files: &[Judged]) -> String {
    let mut text = String::new();
    for judged in files {
        text.push_str(&format!("{:<14} {}\n", summary(judged), judged.path));
        match &judged.verdict {
            Verdict::Read { findings, .. } => findings.iter().for_each(|f| lines(f, &mut text)),
            Verdict::NotAuditable { reason, .. } => text.push_str(&format!("    {reason}\n")),
        }
    }
    text
}

/// What the file is, in a word or two.
fn summary(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::NotAuditable { .. } => "NOT AUDITABLE".into(),
        Verdict::Read { binary: Binary::Elf(elf), .. } => match elf.floors().floor {
            Some(floor) => format!("glibc {floor}"),
            None if elf.linkage.is_static() => elf.linkage.name().into(),
            None if elf.libc == crate::formats::elf::Libc::None => "no libc".into(),
            None => elf.libc.name().into(),
        },
        Verdict::Read { binary: Binary::MachO(macho), .. } => match macho.slices.as_slice() {
            [slice] => slice.arch.clone(),
            slices => format!("universal, {}", slices.len()),
        },
        Verdict::Read { binary: Binary::Pe(pe), .. } => format!("windows {}", pe.machine),
    }
}

fn lines(finding: &Finding, text: &mut String) {
    let Finding { rule, severity, expected, found, help } = finding;
    text.push_str(&format!("    {} {rule}: {found}\n", severity.name()));
    text.push_str(&format!("        expected: {expected}\n"));
    if *severity == Severity::Error {
        text.push_str(&format!("        help: {help}\n"));
    }
}

/// One line for the end: `2444 files: 2440 ok, 3 with findings, 1 not auditable`.
#[must_use]
pub fn totals(files: &[Judged]) -> String {
    let count = |outcome| files.iter().filter(|judged| judged.outcome() == outcome).count();
    format!(
        "{} files: {} ok, {} with findings, {} not auditable",
        files.len(),
        count(Outcome::Ok),
        count(Outcome::Findings),
        count(Outcome::NotAuditable)
    )
}

/// A short list of the oldest major distributions a file runs on, for a table.
#[must_use]
pub fn oldest_distributions(elf: &Elf) -> Option<String> {
    reach(elf).map(|reach| major(&reach.oldest))
}

/// An earlier report to compare with: entries of the audit's JSON by path or name.
#[derive(Debug)]
pub struct Earlier(Vec<(String, Value)>);

impl Earlier {
    /// Takes the answer of `audit --json`, or a manifest whose assets carry an `audit` each.
    #[must_use]
    pub fn parse(json: &Value) -> Option<Self> {
        let list = |field| json.get(field).and_then(Value::as_array);
        let entry = |entry: &Value| Some((entry.get("path")?.as_str()?.into(), entry.clone()));
        // A manifest has `files` too: those of the release that hold no program. An asset without its
        // audit cannot be compared with: silence would read as "no worse".
        let entries = match (list("assets"), list("files")) {
            (Some(assets), _) => {
                let others =
                    assets.iter().filter_map(|asset| asset.get("other_audits")?.as_array());
                let mains = assets.iter().map(|asset| entry(asset.get("audit")?));
                mains.chain(others.flatten().map(entry)).collect()
            }
            (None, Some(files)) => files.iter().map(entry).collect(),
            (None, None) => None,
        };
        entries.map(Self)
    }
}

/// Adds to a judged file what got worse since the report of the file of the same name. Whether there
/// is one that says something.
pub fn compare(judged: &mut Judged, earlier: &Earlier, policy: &Policy) -> bool {
    let Some(then) = earlier.entry(&judged.path) else { return false };
    let now = entry(judged);
    if let Verdict::Read { findings, .. } = &mut judged.verdict {
        findings.extend(audit::compare(&audit::Earlier { then, now: &now }, policy));
    }
    true
}

impl Earlier {
    /// The entry of the same file name, of several the one whose path has most in common.
    fn entry(&self, path: &str) -> Option<&Value> {
        let named = self.0.iter().map(|(other, entry)| (in_common(other, path), entry));
        let (common, entry) = named.rev().max_by_key(|(common, _)| *common)?;
        let read = entry.get("outcome").is_none_or(|outcome| outcome != "not_auditable");
        (common > (0, 0) && read).then_some(entry)
    }
}

/// How many parts two paths have in common, counted from their ends; also inside archives. First, versions in
/// them left out of account: names of assets hold them. Then, to the letter.
fn in_common(one: &str, other: &str) -> (usize, usize) {
    const SEPARATORS: [char; 3] = ['/', '\\', '!'];
    let pairs = || one.rsplit(SEPARATORS).zip(other.rsplit(SEPARATORS));
    let same = pairs().take_while(|(one, other)| without_versions(one) == without_versions(other));
    (same.count(), pairs().take_while(|(one, other)| one == other).count())
}

/// A name with a `#` for each run of numbers between dots: `tool-1.2.3-linux` is `tool-#-linux`.
fn without_versions(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        let numbers = run.trim_end_matches('.');
        out.push_str(before);
        out.push_str(if numbers.contains('.') { "#" } else { numbers });
        out.push_str(&run[numbers.len()..]);
        rest = after;
    }
    out + rest
}

/// A list for people and for programs.
#[derive(Debug)]
pub struct Listed {
    /// A line each.
    pub text: String,
    /// An object with a `schema`.
    pub json: Value,
}

/// Every rule.
#[must_use]
pub fn rules() -> Listed {
    let mut text = String::new();
    let mut list = Vec::new();
    for rule in audit::rules() {
        let formats: Vec<_> = rule.formats().iter().map(|format| format.name()).collect();
        let whole_file = rule.reads == Reads::WholeFile;
        let mark = if whole_file { " (reads the whole file)" } else { "" };
        text.push_str(&format!("{:<26} {}{mark}\n", rule.id, rule.title));
        list.push(json!({
            "id": rule.id, "title": rule.title, "formats": formats, "whole_file": whole_file,
            "why": rule.why, "fix": rule.fix,
        }));
    }
    Listed { text, json: json!({ "schema": SCHEMA, "rules": list }) }
}

/// Every named policy.
#[must_use]
pub fn policies() -> Listed {
    let line = |named: &audit::policies::Named| format!("{:<16} {}\n", named.name, named.title);
    let one = |named: &audit::policies::Named| json!({ "name": named.name, "title": named.title });
    let list: Vec<_> = POLICIES.iter().map(one).collect();
    Listed {
        text: POLICIES.iter().map(line).collect(),
        json: json!({ "schema": SCHEMA, "policies": list }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_of_the_earlier_version_is_found() {
        let entry = |path: &str| json!({ "audit": { "path": path } });
        let asset = |triple: &str| format!("tool-1.9.0-{triple}.tar.gz!tool-1.9.0-{triple}/tool");
        let paths = [asset("x86_64-linux"), asset("aarch64-linux"), "helper-linux-amd64".into()];
        let manifest = json!({
            "assets": paths.iter().map(|path| entry(path)).collect::<Vec<_>>(),
            "files": [{ "name": "checksums.txt" }],
        });
        let earlier = Earlier::parse(&manifest).unwrap();
        let found = |path: &str| earlier.entry(path).map(|it| it["path"].as_str().unwrap());
        let now = "dist/tool-1.10.0-aarch64-linux.tar.gz!tool-1.10.0-aarch64-linux/tool";
        assert_eq!(found(now), Some(&*paths[1]));
        assert_eq!(found("tool-2.0.0-x86_64-linux/tool"), Some(&*paths[0]));
        assert_eq!(found("new/helper-linux-amd64"), Some(&*paths[2]));
        assert_eq!(found("helper-linux-arm64"), None);
        assert!(Earlier::parse(&json!({ "assets": [{ "name": "tool" }] })).is_none());
    }

    #[test]
    fn versions_are_runs_of_numbers_between_dots() {
        for (name, without) in [
            ("tool-1.2.3-linux", "tool-#-linux"),
            ("tool-v10.20", "tool-v#"),
            ("libx.so.6.0.1", "libx.so.#"),
            ("x86_64", "x86_64"),
            ("1.2.3.tar.gz", "#.tar.gz"),
            ("tool1", "tool1"),
            ("tool1.", "tool1."),
            ("7..8", "#"),
            ("", ""),
        ] {
            assert_eq!(without_versions(name), without, "{name}");
        }
    }
}
