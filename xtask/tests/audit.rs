//! The audit's commands, driven as a user would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use common::fixtures::{assert_follows_schema, zig_cc};
use common::{Ended, Folder, repository, xtask};

fn run(args: &[&str]) -> Ended {
    common::run(&mut xtask(&repository(), args))
}

/// A program for glibc that needs 2.39 by a weak symbol alone, the commonest real failure.
fn weak_only() -> Vec<u8> {
    let source = b"#include <stdio.h>\nextern int pidfd_getpid(int) __attribute__((weak));\n\
                   int main(void) { puts(\"x\"); return pidfd_getpid ? pidfd_getpid(0) : 0; }\n";
    let args = ["-target", "x86_64-linux-gnu.2.39", "-O1", "-s", "-fPIE", "-pie", "{in}/main.c"];
    zig_cc(&[("main.c", source)], &args)
}

fn json(args: &[&str]) -> Value {
    let ended = run(args);
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}\n{}", ended.stderr))
}

#[test]
fn the_json_of_a_folder_follows_the_schema() {
    let folder = Folder::new();
    fs::write(folder.join("weak"), weak_only()).unwrap();
    fs::write(folder.join("damaged"), &weak_only()[..700]).unwrap();
    fs::write(folder.join("notes.txt"), "no binary\n").unwrap();
    fs::copy("/bin/sh", folder.join("sh")).unwrap();
    for command in ["audit", "audit-glibc"] {
        let answer = json(&[command, "--json", folder.path().to_str().unwrap()]);
        assert_follows_schema("audit", &answer);
        let files = answer["files"].as_array().unwrap();
        let names: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(files.len(), 3, "{names:?}: the text is passed over");
        assert_eq!(files[0]["outcome"], "not_auditable");
        assert!(files[0].get("glibc_floor").is_none(), "null would mean: needs none");
        assert_eq!(files[2]["glibc_max"], "2.39");
        assert_eq!(files[2]["glibc_floor"], "2.39", "the node is not flagged weak");
        assert_eq!(files[2]["glibc_strong"], "2.34");
        let symbols = files[2]["symbols"].as_array().unwrap();
        let weak = symbols.iter().find(|symbol| symbol["name"] == "pidfd_getpid").unwrap();
        assert_eq!(weak["version"], "GLIBC_2.39");
        assert_eq!(weak["library"], "libc.so.6");
        assert_eq!(weak["weak"], true);
    }
}

#[test]
fn the_floor_decides_and_the_exit_code_says_so() {
    let folder = Folder::new();
    let file = folder.join("weak");
    fs::write(&file, weak_only()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["audit-glibc", file]).code, Some(0));
    assert_eq!(run(&["audit-glibc", "--max", "2.39", file]).code, Some(0));
    assert_eq!(run(&["audit-glibc", "--max", "2.100", file]).code, Some(0));
    let refused = run(&["audit-glibc", "--max", "2.17", file]);
    assert_eq!(refused.code, Some(1));
    let text = refused.stdout;
    for part in ["elf-glibc-floor", "pidfd_getpid (weak)", "libc.so.6", "Debian 12", "zigbuild"] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    assert_eq!(run(&["audit-glibc", "--max", "latest", file]).code, Some(2));
    assert_eq!(run(&["audit-glibc", "/no/such/file"]).code, Some(2));
    assert_eq!(run(&["audit", "--policy", "none-such", file]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_told_with_its_path() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    symlink("nowhere", folder.join("broken")).unwrap();
    let broken = run(&["audit", &path("broken")]);
    assert_eq!(broken.code, Some(2));
    let said = broken.stderr;
    assert!(said.contains(&path("broken")) && said.contains("`nowhere`"), "{said}");
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    // Never waited for, never read without end.
    for name in [path("fifo").as_str(), "/dev/zero", "/dev/null"] {
        let odd = run(&["audit", name]);
        assert_eq!(odd.code, Some(1), "{name}");
        assert!(odd.stdout.contains("not a regular file"), "{}", odd.stdout);
    }
    let inside = run(&["audit", folder.path().to_str().unwrap()]);
    assert_eq!(inside.code, Some(0), "passed over in a folder");
}

#[test]
fn what_is_no_binary_is_an_error_by_name_and_passed_over_in_a_folder() {
    let folder = Folder::new();
    let file = folder.join("README");
    fs::write(&file, "text").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    let named = run(&["audit-glibc", file.to_str().unwrap()]);
    assert_eq!(named.code, Some(1));
    assert!(named.stdout.contains("not an ELF file"));
    let inside = run(&["audit-glibc", folder.path().to_str().unwrap()]);
    assert_eq!(inside.code, Some(0));
    assert!(inside.stderr.contains("nothing to judge"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    fs::create_dir(folder.join("bin")).unwrap();
    fs::create_dir(folder.join("elsewhere")).unwrap();
    let elsewhere = Folder::new();
    let outside = elsewhere.join("program");
    fs::write(&outside, weak_only()).unwrap();
    fs::write(folder.join("bin/real"), weak_only()).unwrap();
    symlink("real", folder.join("bin/alias")).unwrap();
    symlink("..", folder.join("bin/up")).unwrap();
    symlink(&outside, folder.join("elsewhere/one")).unwrap();
    symlink(&outside, folder.join("elsewhere/two")).unwrap();
    symlink("nowhere", folder.join("elsewhere/broken")).unwrap();
    let answer = json(&["audit-glibc", "--json", folder.path().to_str().unwrap()]);
    let paths: Vec<_> =
        answer["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    let tail = |path: &str| path.strip_prefix(folder.path().to_str().unwrap()).unwrap().to_owned();
    let paths: Vec<_> = paths.into_iter().map(tail).collect();
    assert_eq!(paths, ["/bin/real", "/elsewhere/one"]);
}

#[test]
fn members_of_archives_and_standard_input_are_judged() {
    let folder = Folder::new();
    fs::write(folder.join("prog"), weak_only()).unwrap();
    fs::write(folder.join("cut"), &weak_only()[..700]).unwrap();
    fs::write(folder.join("notes.txt"), "text").unwrap();
    let script = "import tarfile, zipfile\n\
                  names = ['prog', 'cut', 'notes.txt']\n\
                  for mode, out in [('w:gz', 'a.tar.gz'), ('w:xz', 'a.tar.xz'), ('w', 'a.tar')]:\n\
                  \x20   with tarfile.open(out, mode) as t: [t.add(n) for n in names]\n\
                  with zipfile.ZipFile('a.whl', 'w', zipfile.ZIP_DEFLATED) as z:\n\
                  \x20   [z.write(n) for n in names + ['a.tar.gz']]\n\
                  with zipfile.ZipFile('stored.zip', 'w') as z: z.write('prog', 'bin/prog')\n\
                  for n in range(4):\n\
                  \x20   with zipfile.ZipFile(f'deep{n}.zip', 'w') as z: z.write(f'deep{n - 1}.zip' if n else 'prog')\n\
                  open('broken.tar.gz', 'wb').write(open('a.tar.gz', 'rb').read()[:-200])\n";
    let made =
        Command::new("python3").args(["-c", script]).current_dir(folder.path()).status().unwrap();
    assert!(made.success());
    for (archive, expected) in [
        ("a.tar.gz", vec![("a.tar.gz!prog", "ok"), ("a.tar.gz!cut", "not_auditable")]),
        ("a.tar.xz", vec![("a.tar.xz!prog", "ok"), ("a.tar.xz!cut", "not_auditable")]),
        ("a.tar", vec![("a.tar!prog", "ok"), ("a.tar!cut", "not_auditable")]),
        (
            "a.whl",
            vec![
                ("a.whl!prog", "ok"),
                ("a.whl!cut", "not_auditable"),
                ("a.whl!a.tar.gz!prog", "ok"),
                ("a.whl!a.tar.gz!cut", "not_auditable"),
            ],
        ),
        ("stored.zip", vec![("stored.zip!bin/prog", "ok")]),
        ("deep2.zip", vec![("deep2.zip!deep1.zip!deep0.zip!prog", "ok")]),
        // What is not looked into has not passed.
        ("deep3.zip", vec![("deep3.zip!deep2.zip!deep1.zip!deep0.zip", "not_auditable")]),
    ] {
        let ended = common::run(&mut xtask(folder.path(), &["audit", "--json", archive]));
        let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_follows_schema("audit", &answer);
        let files = answer["files"].as_array().unwrap().iter();
        let found: Vec<_> = files
            .map(|file| (file["path"].as_str().unwrap(), file["outcome"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expected, "{archive}");
    }
    let broken = common::run(&mut xtask(folder.path(), &["audit", "broken.tar.gz"])).expect(1);
    assert!(broken.stdout.contains("the archive is damaged"), "{}", broken.stdout);

    for name in ["prog", "a.whl"] {
        let args = ["audit-glibc", "--max", "2.17", "--json", "-"];
        // A pipe cannot be read twice, nor from its end.
        let mut cat = Command::new("cat")
            .arg(folder.join(name))
            .stdout(Stdio::piped())
            .spawn()
            .expect("cat starts");
        let pipe = cat.stdout.take().unwrap();
        let ended = common::run(xtask(folder.path(), &args).stdin(pipe)).expect(1);
        assert!(cat.wait().unwrap().success());
        let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(answer["files"][0]["findings"][0]["rule"], "elf-glibc-floor");
        assert!(answer["files"][0]["path"].as_str().unwrap().starts_with('-'));
    }
}

/// What a name or a header promises and what cannot be read is never passed over.
#[test]
fn archives_that_are_damaged_or_of_a_rare_kind_are_read_or_refused() {
    let folder = Folder::new();
    fs::write(folder.join("prog"), weak_only()).unwrap();
    let script = r#"
import gzip, io, lzma, subprocess, tarfile, zipfile
prog = open('prog', 'rb').read()
def write(name, data): open(name, 'wb').write(data)
def tar(kind=tarfile.REGTYPE):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as archive:
        info = tarfile.TarInfo('p')
        info.size, info.type = len(prog), kind
        archive.addfile(info, io.BytesIO(prog))
    return bytearray(out.getvalue())
def zipped(name, data, how=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', how) as archive: archive.writestr(name, data)
    return bytearray(out.getvalue())
packed, xz = gzip.compress(tar()), lzma.compress(tar())
write('crc.tar.gz', packed[:-8] + b'\1\2\3\4' + packed[-4:])
write('size.tar.gz', packed[:-4] + b'\1\2\3\4')
write('cut.tar.gz', packed[:-8])
write('page.tar.gz', b'<html>404</html>')
write('cut.tar.xz', xz[:-1])
write('contiguous.tar', tar(tarfile.CONTTYPE))
old = tar()
old[257:512] = bytes(255)
old[148:156] = b' ' * 8
old[148:156] = b'%06o\0 ' % sum(old[:512])
write('old.tar', old)
with open('holes', 'wb') as f:
    f.write(prog)
    f.seek(1 << 20)
    f.write(b'x')
for form in 'gnu', 'posix':
    subprocess.run(['tar', '--format', form, '-S', '-cf', form + '.tar', 'holes'], check=True)
secret = zipped('p', prog)
listed = secret.index(b'PK\1\2')
secret[6] |= 1
secret[listed + 8] |= 1
secret[31:31 + len(prog)] = bytes(byte ^ 90 for byte in prog)
write('secret.zip', secret)
write('other.zip', zipped('p', prog, zipfile.ZIP_BZIP2))
write('nested.zip', zipped('p.tar.gz', packed[:60]))
"#;
    let made =
        Command::new("python3").args(["-c", script]).current_dir(folder.path()).status().unwrap();
    assert!(made.success());
    for (archive, expected) in [
        ("crc.tar.gz", "not_auditable"),
        ("size.tar.gz", "not_auditable"),
        ("cut.tar.gz", "not_auditable"),
        ("page.tar.gz", "not_auditable"),
        ("cut.tar.xz", "not_auditable"),
        ("contiguous.tar", "ok"),
        ("old.tar", "ok"),
        ("gnu.tar", "ok"),
        ("posix.tar", "not_auditable"),
        ("secret.zip", "not_auditable"),
        ("other.zip", "not_auditable"),
        ("nested.zip", "not_auditable"),
    ] {
        let inside = Folder::new();
        fs::copy(folder.join(archive), inside.join(archive)).unwrap();
        for given in [folder.join(archive).as_path(), inside.path()] {
            let answer = json(&["audit-glibc", "--json", given.to_str().unwrap()]);
            let files = answer["files"].as_array().unwrap();
            let worst = files.iter().map(|file| file["outcome"].as_str().unwrap());
            assert_eq!(worst.min_by_key(|outcome| *outcome == "ok"), Some(expected), "{archive}");
        }
    }
}

#[test]
fn an_earlier_report_shows_what_got_worse() {
    let folder = Folder::new();
    let source = b"#include <stdio.h>\nint main(void) { puts(\"x\"); return 0; }\n";
    let args = ["-target", "x86_64-linux-gnu.2.17", "-O1", "-s", "-fPIE", "-pie", "{in}/main.c"];
    fs::write(folder.join("prog"), zig_cc(&[("main.c", source)], &args)).unwrap();
    let path = folder.join("prog");
    let earlier = run(&["audit", "--json", path.to_str().unwrap()]);
    fs::write(folder.join("old.json"), &earlier.stdout).unwrap();
    let against = |file: &Path| {
        let old = folder.join("old.json");
        run(&["audit", "--against", old.to_str().unwrap(), file.to_str().unwrap()])
    };
    assert_eq!(against(&path).code, Some(0), "nothing got worse");
    let moved = folder.join("new");
    fs::create_dir(&moved).unwrap();
    fs::write(moved.join("prog"), weak_only()).unwrap();
    let worse = against(&moved.join("prog"));
    assert_eq!(worse.code, Some(1));
    assert!(worse.stdout.contains("worse-floor"), "{}", worse.stdout);
    let mut asset: Value = serde_json::from_str(&earlier.stdout).unwrap();
    let mut asset = asset["files"][0].take();
    // As a manifest names it: in an archive of its version.
    asset["path"] = "tool-1.2.3.zip!tool-1.2.3/prog".into();
    let manifest = serde_json::json!({
        "assets": [{ "name": "tool-1.2.3.zip", "audit": asset }],
        "files": [{ "name": "prog.sha256", "kind": "digest" }],
    });
    fs::write(folder.join("old.json"), manifest.to_string()).unwrap();
    assert!(against(&moved.join("prog")).stdout.contains("worse-floor"), "by a manifest");
    assert_eq!(against(&path).code, Some(0));
    let bare = serde_json::json!({ "assets": [{ "name": "prog", "size": 1 }] });
    fs::write(folder.join("old.json"), bare.to_string()).unwrap();
    assert_eq!(against(&path).code, Some(2), "a manifest without audits");
    fs::write(folder.join("old.json"), "[]").unwrap();
    assert_eq!(against(&path).code, Some(2));
}

#[test]
fn the_rules_and_policies_are_listed() {
    let rules = json(&["audit", "--list-rules", "--json"]);
    for rule in rules["rules"].as_array().unwrap() {
        let page = format!("docs/rules/{}.md", rule["id"].as_str().unwrap());
        assert!(repository().join(&page).is_file(), "{page}");
    }
    let policies = json(&["audit", "--list-policies", "--json"]);
    assert_eq!(policies["policies"][0]["name"], "default");
}
