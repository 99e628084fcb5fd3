//! The fields of a Mach-O file in the audit's JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::formats::macho::{Flaw, MachO, Signature, Slice};

/// `universal` and `slices`.
pub(super) fn fields(macho: &MachO, fields: &mut Map<String, Value>) {
    fields.insert("universal".into(), macho.universal.into());
    fields.insert("slices".into(), slices(macho));
}

/// The slices of a Mach-O file, as in the audit's JSON.
#[must_use]
pub fn slices(macho: &MachO) -> Value {
    macho.slices.iter().map(slice).collect()
}

fn slice(slice: &Slice) -> Value {
    json!({
        "arch": slice.arch,
        "offset": slice.offset,
        "size": slice.size,
        "kind": slice.kind.name(),
        "platform": slice.platform,
        "minos": slice.minos.map(|minos| minos.to_string()),
        "install_name": slice.install_name,
        "dylibs": slice.dylibs,
        "weak_dylibs": slice.weak_dylibs,
        "rpaths": slice.rpaths,
        "pie": slice.pie,
        "encrypted": slice.encrypted,
        "truncated": slice.cut.is_some(),
        "signature": signature(slice.signature.as_ref()),
    })
}

/// `present` tells whether the other fields mean anything.
fn signature(signature: Option<&Signature>) -> Value {
    let has = |value: fn(&Signature) -> Value| signature.map_or(Value::Null, value);
    json!({
        "present": signature.is_some(),
        "adhoc": has(|signature| signature.adhoc.into()),
        "linker_signed": has(|signature| signature.linker_signed.into()),
        "runtime": has(|signature| signature.runtime.into()),
        "identifier": has(|signature| signature.identifier.clone().into()),
        "team": has(|signature| signature.team.clone().into()),
        "hash": has(|signature| signature.hash.into()),
        "cdhash": has(|signature| signature.cdhash.clone().into()),
        "page_size": has(|signature| signature.page_size.into()),
        "code_slots": has(|signature| signature.code_slots.into()),
        "special_slots": has(|signature| signature.special_slots.into()),
        "valid": has(|signature| signature.is_valid().into()),
        "errors": signature.map_or(Vec::new(), |signature| {
            signature.flaws.iter().map(flaw).collect()
        }),
    })
}

fn flaw(flaw: &Flaw) -> Value {
    json!({ "kind": flaw.kind.name(), "page": flaw.page, "offset": flaw.offset })
}
