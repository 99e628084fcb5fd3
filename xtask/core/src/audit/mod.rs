//! What a binary MAY BE: a policy, one table of rules, findings.
//!
//! The table ([`rules`]) drives the audit, `--list-rules`, a page per rule under `docs/rules/` and
//! the sabotage suite. Each format's rules stand in its own module.

use alloc::string::String;
use alloc::vec::Vec;

use crate::formats::elf::Elf;
use crate::formats::macho::MachO;
use crate::formats::pe::Pe;
use crate::formats::{Binary, Format, ReadError, Source};

pub mod distros;
pub mod docs;
pub mod policies;

mod against;
mod common;
mod elf;
mod glibc;
mod macho;
mod pe;
mod policy;

pub use against::{Earlier, compare};
pub use policy::{Forbidden, Interpreter, Link, Names, Policy, Signed};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Told, never fails a gate.
    Note,
    /// Fails the gate.
    Error,
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Error => "error",
        }
    }
}

/// One rule broken by one file. Rendered by `report`; never printed from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable id, for example `elf-glibc-floor`.
    pub rule: &'static str,
    /// Whether it fails the gate.
    pub severity: Severity,
    /// What the policy allows.
    pub expected: String,
    /// What the bytes say.
    pub found: String,
    /// What to do about it.
    pub help: String,
}

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The path as given or found; `archive!member` inside an archive.
    pub path: String,
    /// Length in bytes, where it could be read.
    pub size: Option<u64>,
    /// Read and judged, or not.
    pub verdict: Verdict,
}

/// Read and judged, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes were read; here is what rules say of them.
    Read {
        /// What was read.
        binary: Binary,
        /// Rules broken.
        findings: Vec<Finding>,
    },
    /// It could not be judged, and that is no pass.
    NotAuditable {
        /// The format its first bytes claim, if any.
        format: Option<Format>,
        /// Why.
        reason: String,
    },
}

/// The outcome of one file, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that fails a gate.
    Ok,
    /// At least one error.
    Findings,
    /// It could not be judged.
    NotAuditable,
}

impl Outcome {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Findings => "findings",
            Self::NotAuditable => "not_auditable",
        }
    }
}

impl Judged {
    /// The outcome in one word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.verdict {
            Verdict::NotAuditable { .. } => Outcome::NotAuditable,
            Verdict::Read { findings, .. } if has_errors(findings) => Outcome::Findings,
            Verdict::Read { .. } => Outcome::Ok,
        }
    }
}

/// Whether any finding fails a gate.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// How much of the file a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Headers and tables: a few pages.
    Headers,
    /// Every byte.
    WholeFile,
}

/// One thing a binary must be.
#[derive(Debug)]
pub struct Rule {
    /// Stable id: format, then subject.
    pub id: &'static str,
    /// One line for `--list-rules`.
    pub title: &'static str,
    /// What it costs.
    pub reads: Reads,
    /// Why it matters. Markdown.
    pub why: &'static str,
    /// Where it happened: public threads, and what was measured.
    pub incidents: &'static [&'static str],
    /// What to do about a finding; also the default help of one.
    pub fix: &'static str,
    /// The test itself.
    pub check: Check,
}

/// The test of a rule: looks, and tells the [`Judge`] what it found.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// On any format.
    Any(fn(&Binary, &Policy, &mut Judge<'_>)),
    /// On ELF.
    Elf(fn(&Elf, &Policy, &mut Judge<'_>)),
    /// On Mach-O.
    MachO(fn(&MachO, &Policy, &mut Judge<'_>)),
    /// On PE.
    Pe(fn(&Pe, &Policy, &mut Judge<'_>)),
    /// On two reports of one file: an earlier one and today's.
    Against(fn(&Earlier<'_>, &mut Judge<'_>)),
    /// On the bytes of any format.
    Bytes(fn(&dyn Source, &Policy, &mut Judge<'_>) -> Result<(), ReadError>),
}

impl Rule {
    /// The formats it judges.
    #[must_use]
    pub fn formats(&self) -> &'static [Format] {
        match self.check {
            Check::Any(_) | Check::Against(_) | Check::Bytes(_) => {
                &[Format::Elf, Format::MachO, Format::Pe]
            }
            Check::Elf(_) => &[Format::Elf],
            Check::MachO(_) => &[Format::MachO],
            Check::Pe(_) => &[Format::Pe],
        }
    }
}

/// Every rule there is, common ones first.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [common::RULES, glibc::RULES, elf::RULES, macho::RULES, pe::RULES, against::RULES]
        .into_iter()
        .flatten()
}

/// Collects the findings of one rule.
#[derive(Debug)]
pub struct Judge<'a> {
    rule: &'static Rule,
    severity: Severity,
    findings: &'a mut Vec<Finding>,
}

impl Judge<'_> {
    /// The rule being judged by.
    #[must_use]
    pub fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// The rule is broken; the cure is the rule's own.
    pub fn finding(&mut self, expected: impl Into<String>, found: impl Into<String>) {
        self.finding_with_help(expected, found, self.rule.fix);
    }

    /// The rule is broken, with a cure for this case.
    pub fn finding_with_help(
        &mut self,
        expected: impl Into<String>,
        found: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.push(Finding {
            rule: self.rule.id,
            severity: self.severity,
            expected: expected.into(),
            found: found.into(),
            help: help.into(),
        });
    }
}

/// Judges one binary by every rule that needs only headers and, with `bytes`, by those that read
/// the whole file too.
///
/// # Errors
/// When the bytes cannot be read.
pub fn audit(
    binary: &Binary,
    bytes: Option<&dyn Source>,
    policy: &Policy,
) -> Result<Vec<Finding>, ReadError> {
    audit_with(rules(), binary, bytes, policy)
}

/// [`audit`] by some rules only.
///
/// # Errors
/// When the bytes cannot be read.
pub fn audit_with(
    rules: impl Iterator<Item = &'static Rule>,
    binary: &Binary,
    bytes: Option<&dyn Source>,
    policy: &Policy,
) -> Result<Vec<Finding>, ReadError> {
    let mut findings = Vec::new();
    for rule in rules {
        let severity = policy.severity(rule.id);
        let mut judge = Judge { rule, severity, findings: &mut findings };
        match (rule.check, binary, bytes) {
            (Check::Any(check), _, _) => check(binary, policy, &mut judge),
            (Check::Elf(check), Binary::Elf(elf), _) => check(elf, policy, &mut judge),
            (Check::MachO(check), Binary::MachO(macho), _) => check(macho, policy, &mut judge),
            (Check::Pe(check), Binary::Pe(pe), _) => check(pe, policy, &mut judge),
            (Check::Bytes(check), _, Some(bytes)) => check(bytes, policy, &mut judge)?,
            _ => {}
        }
    }
    Ok(findings)
}
