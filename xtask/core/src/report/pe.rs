//! The fields of a PE file in the audit's JSON.

use alloc::string::String;

use serde_json::{Map, Value, json};

use crate::formats::pe::Pe;

/// `machine` and what follows it.
pub(super) fn fields(pe: &Pe, fields: &mut Map<String, Value>) {
    let values = json!({
        "machine": pe.machine,
        "subsystem": pe.subsystem,
        "dll": pe.is_dll,
        "imports": pe.imports,
        "delay_imports": pe.delay_imports,
        "aslr": pe.aslr,
        "high_entropy": pe.high_entropy,
        "nx": pe.nx,
        "cfg": pe.cfg,
        "relocs_stripped": pe.relocs_stripped,
        "manifest": pe.manifest,
        "version_info": pe.version_info,
        "authenticode": pe.authenticode,
        "managed": pe.managed,
    });
    if let Value::Object(values) = values {
        fields.extend(values);
    }
}
