//! The gates that judge more than the bytes of one program: running it, its archive, its checksum, its
//! signature's identifier. Each lets a good release through, and each sabotage of it is told by name.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::{self, Ended, Folder, run};
use super::macho;

/// A program in the shape of an asset, that keeps the contract of a smoke test.
const GOOD: &str = "#!/bin/sh\n\
    case \"$1\" in\n\
    --version) echo 'tool v1.2.3' ;;\n\
    --help) echo 'usage: tool' ;;\n\
    *) exit 2 ;;\n\
    esac\n";

/// What is done to the archive of [`GOOD`].
struct Archive {
    name: &'static str,
    program: String,
    /// Its mode in the archive.
    mode: u32,
    /// Its path in the archive.
    path: &'static str,
    /// What the gate must say, on either stream.
    told: &'static str,
}

const PATH: &str = "tool-here/tool";

fn archives() -> Vec<Archive> {
    let edited = |name, from: &str, to: &str, told| {
        assert!(GOOD.contains(from), "{from}");
        Archive { name, program: GOOD.replace(from, to), mode: 0o755, path: PATH, told }
    };
    vec![
        edited("another version inside", "v1.2.3", "v1.2.2", r#"prints "tool v1.2.2", not"#),
        edited("a version that begins alike", "v1.2.3", "v1.2.31", r#"prints "tool v1.2.31", not"#),
        edited("another program inside", "'tool v", "'tale v", r#"prints "tale v1.2.3", not"#),
        edited("a second line", "v1.2.3'", "v1.2.3'; echo more", "more"),
        edited("a silent version", "echo 'tool v1.2.3'", "true", r#"prints """#),
        edited("a version with an error", "v1.2.3'", "v1.2.3'; exit 3", "expected exit code 0"),
        edited("a noisy version", "v1.2.3'", "v1.2.3'; echo oops >&2", "writes to stderr"),
        edited("a silent help", "echo 'usage: tool'", "true", "`--help` prints nothing"),
        edited("no such interpreter", "/bin/sh", "/nix/store/x/sh", "FAILED"),
        Archive {
            mode: 0o644,
            ..edited("a program without its exec bit", "usage", "usage", "ermission denied")
        },
        Archive {
            path: "tool-here/bin/tool",
            ..edited("a program in another folder", "usage", "usage", "holds no `tool-here/tool`")
        },
    ]
}

/// A workspace whose plan has one archived program for this host.
fn workspace() -> Folder {
    let folder = Folder::new();
    let said = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let said = String::from_utf8(said.stdout).unwrap();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    folder.write(
        "xtask.toml",
        &format!(
            "[release]\nrepository = \"owner/tool\"\n\n[[target]]\nplatform = \"here\"\n\
             triple = \"{host}\"\nbuilder = \"native\"\nrunner = \"ubuntu-24.04\"\n\
             glibc-floor = \"2.44\"\n\n[[package]]\nname = \"tool\"\nkind = \"rust\"\n\
             path = \"tool\"\nprofile = \"release\"\ntargets = [\"here\"]\narchive = \"tar.gz\"\n"
        ),
    );
    folder.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n",
    );
    folder.write("tool/src/main.rs", "fn main() {}\n");
    folder
}

fn pack(to: &Path, path: &str, program: &str, mode: u32) {
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packer);
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, path, program.as_bytes()).unwrap();
    fs::write(to, archive.into_inner().unwrap().finish().unwrap()).unwrap();
}

#[test]
fn smoke_lets_a_good_archive_through_and_tells_what_is_wrong_with_a_bad_one() {
    let folder = workspace();
    let asset = folder.join("dist/tool-here.tar.gz");
    fs::create_dir_all(asset.parent().unwrap()).unwrap();
    let smoke = || run(&mut common::xtask(folder.path(), &["smoke", "dist/tool-here.tar.gz"]));
    pack(&asset, PATH, GOOD, 0o755);
    smoke().expect(0);
    let mut problems = Vec::new();
    for bad in archives() {
        pack(&asset, bad.path, &bad.program, bad.mode);
        let ended = smoke();
        if ended.code != Some(1) || !told(&ended, bad.told) {
            problems.push(format!("{}: no {:?} in {ended:#?}", bad.name, bad.told));
        }
    }
    super::report(&problems);
}

fn told(ended: &Ended, text: &str) -> bool {
    ended.stdout.contains(text) || ended.stderr.contains(text)
}

#[test]
fn checksums_of_other_bytes_are_told_by_file() {
    type Edit = fn(&Folder);
    fn sums(folder: &Folder, edit: fn(&str) -> String) {
        let text = fs::read_to_string(folder.join("d/checksums.txt")).unwrap();
        folder.write("d/checksums.txt", &edit(&text));
    }
    let sabotages: &[(&str, &str, Edit)] = &[
        ("one bit of a file", "changed: d/a", |folder| drop(folder.write("d/a", "ab\x01"))),
        ("a byte more", "changed: d/a", |folder| drop(folder.write("d/a", "abcd"))),
        ("a file cut off", "changed: d/b", |folder| drop(folder.write("d/b", ""))),
        ("a file gone", "missing: d/b", |folder| fs::remove_file(folder.join("d/b")).unwrap()),
        ("a folder in its place", "missing: d/b", |folder| {
            fs::remove_file(folder.join("d/b")).unwrap();
            fs::create_dir(folder.join("d/b")).unwrap();
        }),
        ("a file nobody vouches for", "extra: d/c", |folder| drop(folder.write("d/c", "c"))),
        ("the digests of two files swapped", "changed: d/a", |folder| {
            sums(folder, |text| {
                text.replace("  a", "  x").replace("  b", "  a").replace("  x", "  b")
            });
        }),
        ("a line gone", "extra: d/b", |folder| {
            sums(folder, |text| text.lines().next().unwrap().to_owned() + "\n");
        }),
        ("a digest cut off", "checksums.txt:1:", |folder| sums(folder, |text| text[1..].into())),
        ("no digest at all", "checksums.txt:1:", |folder| sums(folder, |_| "a\nb\n".into())),
        ("a file named twice", "checksums.txt:", |folder| {
            sums(folder, |text| format!("{text}{}  a\n", "0".repeat(64)));
        }),
        ("a path out of the folder", "missing: d/../secret", |folder| {
            sums(folder, |text| format!("{text}{}  ../secret\n", "0".repeat(64)));
        }),
        ("an empty list", "lists nothing", |folder| sums(folder, |_| String::new())),
    ];
    let mut problems = Vec::new();
    for (name, wanted, sabotage) in sabotages {
        let folder = Folder::new();
        folder.write("d/a", "abc");
        folder.write("d/b", "b");
        let check = || run(&mut common::xtask(folder.path(), &["checksum", "--check", "d"]));
        run(&mut common::xtask(folder.path(), &["checksum", "d"])).expect(0);
        check().expect(0);
        sabotage(&folder);
        let ended = check();
        if ended.code != Some(1) || !told(&ended, wanted) {
            problems.push(format!("{name}: no {wanted:?} in {ended:#?}"));
        }
    }
    super::report(&problems);
}

#[test]
fn codesign_verify_tells_a_wrong_identifier_and_a_wrong_byte() {
    let folder = Folder::new();
    let path = folder.join("tool");
    let verify = || {
        let args = ["codesign", "--verify", "--identifier", "tool", "tool"];
        run(&mut common::xtask(folder.path(), &args))
    };
    let sign = |identifier| {
        fs::write(&path, macho::signable()).unwrap();
        let args = ["codesign", "--force", "--builtin", "--identifier", identifier, "tool"];
        run(&mut common::xtask(folder.path(), &args)).expect(0);
    };
    sign("tool");
    verify().expect(0);
    sign("tool-1a2b3c");
    assert!(told(&verify().expect(1), "tool-1a2b3c"));
    sign("tool");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    verify().expect(1);
}
