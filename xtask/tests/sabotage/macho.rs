//! Bad Mach-O files, made of a program that `zig cc` links for macOS.

use std::borrow::Cow;

use xtask_core::audit::{Names, Policy, Signed, policies};
use xtask_core::formats::{Format, Version};
use xtask_core::sign::sign_adhoc;

use super::common::fixtures::zig_cc;
use super::macho_file::*;
use super::{Caught, Recipe};

const ID: &str = "org.example.tool";
const SYSTEM: Names = Cow::Borrowed(&[Cow::Borrowed("/usr/lib/libSystem.B.dylib")]);

/// What a plan demands of a program for Apple silicon.
fn release() -> Policy {
    Policy {
        format: Some(Format::MachO),
        archs: Cow::Borrowed(&[Cow::Borrowed("arm64")]),
        platform: Some(Cow::Borrowed("macos")),
        minos_max: Some(Version::new(11, 0)),
        dylibs: Some(SYSTEM),
        signed: Some(Signed::All),
        identifier: Some(Cow::Borrowed(ID)),
        pie: true,
        ..default()
    }
}

fn default() -> Policy {
    policies::DEFAULT.clone()
}

/// A program of several pages for a target, linked with a library of an odd name.
pub(crate) fn program(target: &str, library: Option<&str>, more: &[&str]) -> Vec<u8> {
    const MAIN: &[u8] = b"int puts(const char *); static const char text[40000] = {1};\n\
                          int main(int c, char **v) { return puts(text + c); }\n";
    let mut args = vec!["-target", target, "-O1", "{in}/main.c"];
    args.extend(more);
    let Some(name) = library else { return zig_cc(&[("main.c", MAIN)], &args) };
    let install_name = format!("-Wl,-install_name,{name}");
    let stub = ["-target", target, "-shared", "-nostdlib", "{in}/stub.c", &install_name];
    let stub = zig_cc(&[("stub.c", b"int odd = 1;\n")], &stub);
    let main = [MAIN, b"extern int odd; int *p = &odd;\n"].concat();
    args.push("{in}/libodd.dylib");
    zig_cc(&[("main.c", main.as_slice()), ("libodd.dylib", &stub)], &args)
}

fn sign(bytes: &[u8]) -> Vec<u8> {
    sign_adhoc(bytes, ID).unwrap()
}

const ARM: &str = "aarch64-macos.11.0";
const X86: &str = "x86_64-macos.11.0";

pub(crate) fn recipes() -> Vec<Recipe> {
    [signatures(), headers(), universals(), damaged()].into_iter().flatten().collect()
}

/// Regions of a signature and of the code, a byte each.
fn signatures() -> Vec<Recipe> {
    let good = sign(&program(ARM, None, &[]));
    let (signature, directory) = (signature(&good), directory(&good));
    let blob = |index: usize| signature + be(&good, signature + 12 + 8 * index + 4);
    let segment = |name| segment(&good, name);
    let text = le(&good, segment("__TEXT") + 72 + 48) as usize;
    let recipe = |name, bad, rules| Recipe {
        name,
        policy: release(),
        good: good.clone(),
        bad,
        caught: Caught::By(rules),
    };
    let flipped: &[(&'static str, usize)] = &[
        ("macho: a byte of the header", 28),
        ("macho: a byte of the UUID", command(&good, LC_UUID) + 10),
        ("macho: a byte behind the load commands", commands_end(&good) + 3),
        ("macho: the first byte of code", text),
        ("macho: the last byte of the first page", 0x3fff),
        ("macho: the first byte of the second page", 0x4000),
        ("macho: a byte of constants", 0x9123),
        ("macho: the first byte of __LINKEDIT", le(&good, segment("__LINKEDIT") + 40) as usize),
        ("macho: the last byte before the signature", signature - 1),
        ("macho: the digest of the first page", digest(&good, 0)),
        ("macho: the digest of the last page", blob(1) - 1),
        ("macho: the digest of the requirements", digest(&good, -2) + 31),
        ("macho: the digest of no Info.plist", digest(&good, -1)),
        ("macho: the super blob's magic", signature),
        ("macho: the super blob's length", signature + 4),
        ("macho: the super blob's count", signature + 8),
        ("macho: the offset of the code directory", signature + 16),
        ("macho: the offset of the requirements", signature + 24),
        ("macho: the code directory's magic", directory),
        ("macho: the code directory's length", directory + 4),
        ("macho: the code directory's version", directory + 8),
        ("macho: the digests' offset", directory + 19),
        ("macho: the identifier's offset", directory + 20),
        ("macho: the number of special slots", directory + 27),
        ("macho: the number of pages", directory + 31),
        ("macho: the code limit", directory + 35),
        ("macho: the size of a digest", directory + 36),
        ("macho: the type of the digests", directory + 37),
        ("macho: the page size", directory + 39),
        ("macho: the code limit of 64 bits", directory + 63),
        ("macho: the magic of the requirements", blob(1)),
        ("macho: the body of the requirements", blob(1) + 11),
        ("macho: the magic of the CMS wrapper", blob(2)),
    ];
    let mut recipes: Vec<Recipe> = flipped
        .iter()
        .map(|(name, at)| recipe(*name, flip(&good, *at), &["macho-signature"]))
        .collect();

    let linkedit = segment("__LINKEDIT");
    let linker_signed = sign_adhoc(&good, ID).unwrap();
    let flags = be(&good, directory + 12) as u32;
    recipes.extend([
        recipe("macho: not signed", unsigned(&good), &["macho-unsigned"]),
        recipe(
            "macho: a part of the identifier",
            patch(&good, directory + 88, b"com"),
            &["macho-identifier"],
        ),
        recipe(
            "macho: signed under the name of its file",
            sign_adhoc(&good, "tool-darwin-arm64").unwrap(),
            &["macho-identifier"],
        ),
        recipe(
            "macho: signed by the linker only",
            patch(&linker_signed, directory + 12, &(flags | 0x20000).to_be_bytes()),
            &["macho-linker-signed"],
        ),
        recipe(
            "macho: as the linker leaves it",
            program(ARM, None, &[]),
            &["macho-linker-signed", "macho-identifier"],
        ),
        recipe(
            "macho: neither ad hoc nor certified",
            patch(&good, directory + 12, &[0; 4]),
            &["macho-signature"],
        ),
        recipe(
            "macho: data behind the signature",
            [&good, &b"data"[..]].concat(),
            &["macho-signature"],
        ),
        recipe(
            "macho: the signature's size in its load command",
            flip(&good, command(&good, LC_CODE_SIGNATURE) + 12),
            &["macho-signature"],
        ),
        recipe(
            "macho: the signature's place in its load command",
            flip(&good, command(&good, LC_CODE_SIGNATURE) + 9),
            &["macho-signature"],
        ),
        recipe(
            "macho: __LINKEDIT ends before the signature does",
            patch(&good, linkedit + 48, &1000_u32.to_le_bytes()),
            &["macho-signature"],
        ),
        recipe(
            "macho: stamped after signing",
            flip(&flip(&good, 0x9000), 0xa000),
            &["macho-signature"],
        ),
    ]);
    recipes
}

/// What the load commands say, rightly signed.
fn headers() -> Vec<Recipe> {
    let good = sign(&program(ARM, None, &[]));
    let build = command(&good, LC_BUILD_VERSION);
    let word = |at: usize, value: u32| sign(&patch(&good, at, &value.to_le_bytes()));
    let recipe = |name, policy, bad: Vec<u8>, rules| Recipe {
        name,
        policy,
        good: good.clone(),
        bad,
        caught: Caught::By(rules),
    };
    let uuid = command(&good, LC_UUID);
    let encrypted = patch(&good, uuid, &LC_ENCRYPTION_INFO_64.to_le_bytes());
    let encrypted = sign(&patch(&encrypted, uuid + 16, &1_u32.to_le_bytes()));
    let x86 = sign(&program(X86, None, &[]));
    vec![
        recipe(
            "macho: linked for macOS 15",
            release(),
            sign(&program("aarch64-macos.15.0", None, &[])),
            &["macho-minos"],
        ),
        recipe(
            "macho: one patch release too new",
            release(),
            word(build + 12, 0x000b_0001),
            &["macho-minos"],
        ),
        recipe("macho: for iOS", release(), word(build + 8, 2), &["macho-platform"]),
        recipe("macho: for the iOS simulator", release(), word(build + 8, 7), &["macho-platform"]),
        recipe(
            "macho: for no platform",
            release(),
            word(build, 0x7e),
            &["macho-platform", "macho-minos"],
        ),
        recipe("macho: for another architecture", release(), x86.clone(), &["arch"]),
        recipe(
            "macho: without MH_PIE",
            release(),
            word(24, le(&good, 24) & !0x0020_0000),
            &["macho-pie"],
        ),
        recipe("macho: encrypted", release(), encrypted, &["macho-encrypted"]),
        recipe(
            "macho: needs a library of the system more",
            release(),
            sign(&program(ARM, Some("/usr/lib/libz.1.dylib"), &[])),
            &["macho-dylib"],
        ),
        recipe(
            "macho: needs a library of its builder",
            default(),
            program(ARM, Some("/opt/homebrew/lib/libz.1.dylib"), &[]),
            &["macho-local-dylib"],
        ),
        recipe(
            "macho: needs a library in /usr/local",
            release(),
            sign(&program(ARM, Some("/usr/local/lib/libz.1.dylib"), &[])),
            &["macho-local-dylib", "macho-dylib"],
        ),
        recipe(
            "macho: would like a library of its builder",
            release(),
            sign(&weak(&program(ARM, Some("/nix/store/0-zlib/lib/libz.dylib"), &[]))),
            &["macho-local-dylib"],
        ),
        recipe(
            "macho: looks for libraries in a home folder",
            default(),
            program(ARM, None, &["-Wl,-rpath,/Users/me/lib"]),
            &["macho-rpath"],
        ),
        recipe(
            "macho: looks for libraries in a folder that only looks like the system's",
            release(),
            sign(&program(ARM, None, &["-Wl,-rpath,/usr/libexec/x"])),
            &["macho-rpath"],
        ),
        recipe(
            "macho: an unsigned slice where all must be",
            x86_release(),
            unsigned(&x86),
            &["macho-unsigned"],
        )
        .good(x86.clone()),
        recipe(
            "macho: 16 KiB pages on x86",
            x86_release(),
            pages_of_16_kib(&x86),
            &["macho-signature"],
        )
        .good(x86),
    ]
}

fn x86_release() -> Policy {
    Policy { archs: Cow::Borrowed(&[Cow::Borrowed("x86_64")]), ..release() }
}

impl Recipe {
    fn good(self, good: Vec<u8>) -> Self {
        Self { good, ..self }
    }
}

/// LC_LOAD_DYLIB of the odd library made weak: the last one of its kind.
fn weak(bytes: &[u8]) -> Vec<u8> {
    const LC_LOAD_DYLIB: u32 = 0xc;
    let name = bytes.windows(5).position(|window| window == b"/nix/").unwrap();
    assert_eq!(le(bytes, name - 24), LC_LOAD_DYLIB);
    patch(bytes, name - 24, &0x8000_0018_u32.to_le_bytes())
}

/// Signed for arm64, then called x86_64: every digest is right, and the kernel refuses it.
fn pages_of_16_kib(x86: &[u8]) -> Vec<u8> {
    let [cpu, subtype] = ARM64;
    let header = |bytes: &[u8], cpu: u32, subtype: u32| {
        patch(&patch(bytes, 4, &cpu.to_le_bytes()), 8, &subtype.to_le_bytes())
    };
    let signed = sign(&header(x86, cpu, subtype));
    let back = header(&signed, X86_64[0], X86_64[1]);
    let page = sha2_of(&back[..0x4000]);
    patch(&back, digest(&back, 0), &page)
}

fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Universal files: a slice each is judged, and what lies between them.
fn universals() -> Vec<Recipe> {
    let arm = sign(&program(ARM, None, &[]));
    let x86 = sign(&program(X86, None, &[]));
    let good = universal(&[(X86_64, &x86), (ARM64, &arm)]);
    let second = be(&good, 36);
    let recipe = |name, bad: Vec<u8>, rules| Recipe {
        name,
        policy: Policy { signed: Some(Signed::All), ..default() },
        good: good.clone(),
        bad,
        caught: Caught::By(rules),
    };
    let shifted = [&good[..], &vec![0; 1 << 14]].concat();
    vec![
        recipe(
            "macho: a page of the second slice",
            flip(&good, second + 0x5000),
            &["macho-signature"],
        ),
        recipe(
            "macho: a byte between the slices",
            patch(&good, second - 1, b"x"),
            &["macho-signature"],
        ),
        recipe(
            "macho: a byte before the first slice",
            patch(&good, 60, b"x"),
            &["macho-signature"],
        ),
        recipe("macho: zeros behind the last slice", shifted, &["macho-signature"]),
        recipe(
            "macho: a slice listed as another architecture",
            flip(&good, 31),
            &["macho-signature"],
        ),
        recipe(
            "macho: two slices in one place",
            patch(&good, 36, &good[16..20]),
            &["macho-signature"],
        ),
        recipe(
            "macho: a slice off its alignment",
            patch(&good, 44, &15_u32.to_be_bytes()),
            &["macho-signature"],
        ),
        recipe(
            "macho: one slice of two not signed",
            universal(&[(X86_64, &x86), (ARM64, &unsigned(&arm))]),
            &["macho-unsigned"],
        ),
        recipe("macho: a slice too many", good.clone(), &["arch"])
            .policy(Policy { archs: Cow::Borrowed(&[Cow::Borrowed("arm64")]), ..default() }, arm),
    ]
}

impl Recipe {
    fn policy(self, policy: Policy, good: Vec<u8>) -> Self {
        Self { policy, good, ..self }
    }
}

/// Cut off at each structure, or no Mach-O at all.
fn damaged() -> Vec<Recipe> {
    let good = sign(&program(ARM, None, &[]));
    let x86 = program(X86, None, &[]);
    let recipe = |name, good: &[u8], bad: &[u8], caught| Recipe {
        name,
        policy: default(),
        good: good.to_vec(),
        bad: bad.to_vec(),
        caught,
    };
    let start = signature(&good);
    let both = Caught::By(&["macho-truncated", "macho-signature"]);
    let fat = universal(&[(X86_64, &x86), (ARM64, &good)]);
    let archive = universal(&[(ARM64, b"!<arch>\n0123456789012345")]);
    let commands_end = commands_end(&good);
    vec![
        recipe("macho: cut in the header", &good, &good[..20], Caught::NotAuditable("ends before")),
        recipe(
            "macho: cut in the load commands",
            &good,
            &good[..commands_end - 1],
            Caught::NotAuditable("ends inside its load commands"),
        ),
        recipe("macho: cut in the code", &good, &good[..0x5000], both),
        recipe(
            "macho: cut in the signature",
            &good,
            &good[..start + 100],
            Caught::By(&["macho-truncated", "macho-signature"]),
        ),
        recipe(
            "macho: cut by one byte",
            &good,
            &good[..good.len() - 1],
            Caught::By(&["macho-truncated", "macho-signature"]),
        ),
        recipe(
            "macho: not signed and cut",
            &x86,
            &x86[..x86.len() - 1],
            Caught::By(&["macho-truncated"]),
        ),
        recipe(
            "macho: a slice that is not signed, listed as another architecture",
            &fat,
            &flip(&fat, 11),
            Caught::By(&["macho-universal"]),
        ),
        recipe(
            "macho: more architectures than there are",
            &fat,
            &patch(&fat, 4, &[0xff; 4]),
            Caught::NotAuditable("architectures"),
        ),
        recipe(
            "macho: a universal header alone",
            &fat,
            &fat[..48],
            Caught::NotAuditable("after the file's end"),
        ),
        recipe(
            "macho: cut in the universal header",
            &fat,
            &fat[..30],
            Caught::NotAuditable("ends before"),
        ),
        recipe("macho: a static library", &fat, &archive, Caught::NotAuditable("a static library")),
        recipe(
            "macho: a load command of no size",
            &good,
            &patch(&good, 36, &[0; 4]),
            Caught::NotAuditable("load command"),
        ),
        recipe(
            "macho: more load commands than there are",
            &good,
            &patch(&good, 16, &[0xff, 0xff]),
            Caught::NotAuditable("load command"),
        ),
        recipe(
            "macho: a library's name that does not end",
            &good,
            &endless_name(&good),
            Caught::NotAuditable("string"),
        ),
    ]
}

/// The name's offset points behind the command.
fn endless_name(bytes: &[u8]) -> Vec<u8> {
    let name = bytes.windows(18).position(|window| window == b"/usr/lib/libSystem").unwrap();
    patch(bytes, name - 16, &0xfff0_u32.to_le_bytes())
}
