use alloc::vec::Vec;

use super::{SignError, sign_adhoc};
use crate::formats::macho::fixture::{ARM64, Fixture, X86_64, flaws, patch, universal};
use crate::formats::macho::{FlawKind, Kind, read};

const ID: &str = "org.example.tool";

#[test]
fn the_same_bytes_give_the_same_signature_once_and_again() {
    let arm = Fixture::new(ARM64);
    let slices = [(X86_64, Fixture::new(X86_64).build()), (ARM64, arm.signed())];
    for unsigned in [arm.build(), Fixture::powerpc().build(), universal(&slices, false, 14)] {
        let once = sign_adhoc(&unsigned, ID).unwrap();
        assert_eq!(flaws(&once), [""; 0]);
        assert_eq!(once, sign_adhoc(&unsigned, ID).unwrap(), "not deterministic");
        assert_eq!(once, sign_adhoc(&once, ID).unwrap(), "not idempotent");
        let other = sign_adhoc(&once, "org.example.other").unwrap();
        assert_eq!(once, sign_adhoc(&other, ID).unwrap(), "the old signature shows");
        let macho = read(&other.as_slice()).unwrap();
        for slice in &macho.slices {
            let signature = slice.signature.as_ref().unwrap();
            assert_eq!(signature.identifier.as_deref(), Some("org.example.other"));
        }
    }
}

#[test]
fn code_is_not_touched() {
    let fixture = Fixture::new(ARM64);
    let unsigned = fixture.build();
    let signed = sign_adhoc(&unsigned, ID).unwrap();
    let text = unsigned.len() - fixture.text - fixture.linkedit;
    assert_eq!(signed[text..unsigned.len()], unsigned[text..]);
}

#[test]
fn sixteen_bytes_after_the_load_commands_are_enough() {
    for room in [0, 8, 15] {
        let tight = Fixture { room, ..Fixture::new(ARM64) }.build();
        assert_eq!(sign_adhoc(&tight, ID), Err(SignError::NoRoom { free: room as u64 }));
    }
    let just = Fixture { room: 16, ..Fixture::new(ARM64) }.build();
    assert_eq!(flaws(&sign_adhoc(&just, ID).unwrap()), [""; 0]);
    // What is there already does not need any.
    assert!(sign_adhoc(&sign_adhoc(&just, ID).unwrap(), "other").is_ok());
    // Bytes that are not zero are somebody's.
    let commands_end = just.len() - 40_000 - 321 - 16;
    let taken = patch(&just, commands_end as u64 + 9, &[1]);
    assert_eq!(sign_adhoc(&taken, ID), Err(SignError::NoRoom { free: 9 }));
}

#[test]
fn what_cannot_be_signed_is_refused_with_the_reason() {
    let arm = Fixture::new(ARM64);
    let signed = arm.signed();
    let with = |bytes: &[u8], tail: &[u8]| [bytes, tail].concat();
    let slices = [(X86_64, Fixture::new(X86_64).build()), (ARM64, arm.build())];
    let trailing = with(&universal(&slices, false, 14), b"x");
    let end = trailing.len() as u64 - 1;
    let cases: Vec<(&str, Vec<u8>, SignError)> = alloc::vec![
        (
            "appended data",
            with(&arm.build(), b"data"),
            SignError::NotLast { end: arm.build().len() as u64, len: arm.build().len() as u64 + 4 },
        ),
        (
            "appended to a signature",
            with(&signed, b"data"),
            SignError::NotLast { end: signed.len() as u64, len: signed.len() as u64 + 4 },
        ),
        (
            "an object file",
            Fixture { filetype: 1, ..arm.clone() }.build(),
            SignError::NotCode(Kind::Object),
        ),
        (
            "after the last slice",
            trailing,
            SignError::Container { kind: FlawKind::FatTrailing, offset: end },
        ),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(sign_adhoc(&bytes, ID), Err(expected), "{what}");
    }
    assert!(matches!(sign_adhoc(b"\x7fELF rest", ID), Err(SignError::Unread(_))));
    for identifier in ["", "a\nb", &"x".repeat(256)] {
        let refused = sign_adhoc(&signed, identifier);
        assert_eq!(refused, Err(SignError::Identifier(identifier.into())));
    }
}

#[test]
fn space_left_among_the_load_commands_is_used() {
    let unsigned = Fixture::new(ARM64).build();
    // Eight bytes more for load commands than the load commands have.
    let size = u32::from_le_bytes(unsigned[20..24].try_into().unwrap());
    let roomy = patch(&unsigned, 20, &(size + 8).to_le_bytes());
    let signed = sign_adhoc(&roomy, ID).unwrap();
    assert_eq!(flaws(&signed), [""; 0]);
    assert_eq!(signed, sign_adhoc(&unsigned, ID).unwrap());
}
