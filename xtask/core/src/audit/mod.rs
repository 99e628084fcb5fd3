//! What a binary MAY BE: a policy, one table of rules, findings.

use alloc::string::String;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Told, never fails a gate.
    Note,
    /// Fails the gate.
    Error,
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
