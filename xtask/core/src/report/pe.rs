//! The fields of a PE file in the audit's JSON.

use alloc::string::String;

use serde_json::{Map, Value};

use crate::formats::pe::Pe;

/// The fields, in their order.
const FIELDS: [&str; 14] = [
    "machine",
    "subsystem",
    "dll",
    "imports",
    "delay_imports",
    "aslr",
    "high_entropy",
    "nx",
    "cfg",
    "relocs_stripped",
    "manifest",
    "version_info",
    "authenticode",
    "managed",
];

pub(super) fn fields(pe: &Pe, fields: &mut Map<String, Value>) {
    let values: [Value; FIELDS.len()] = [
        pe.machine.as_str().into(),
        pe.subsystem.as_str().into(),
        pe.is_dll.into(),
        pe.imports.clone().into(),
        pe.delay_imports.clone().into(),
        pe.aslr.into(),
        pe.high_entropy.into(),
        pe.nx.into(),
        pe.cfg.into(),
        pe.relocs_stripped.into(),
        pe.manifest.into(),
        pe.version_info.into(),
        pe.authenticode.into(),
        pe.managed.into(),
    ];
    fields.extend(FIELDS.map(String::from).into_iter().zip(values));
}
