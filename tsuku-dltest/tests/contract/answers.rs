//! What is printed, and how it ends: versions, usage, arrays, lines, lists, the schema.

use crate::common::{Folder, Run, kind, program, tool};
use crate::{GOOD, answer, run};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn the_version_is_printed_alone() {
    let outcome = run().args(["--version"]).go();
    let version = option_env!("TSUKU_DLTEST_VERSION").filter(|it| !it.is_empty());
    let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("tsuku-dltest v{version}\n"));
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(0), 0));
    let outcome = run().args(["--version", "--verbose"]).go();
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("\nlibc: "));
}

#[test]
fn wrong_usage_prints_nothing_to_stdout() {
    for args in [&[][..], &["--"], &["--jobs", "0", "x"], &["@/nonexistent"], &["--stdin0"]] {
        let outcome = run().args(args).go();
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert!(outcome.stdout.is_empty());
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("usage:"), "{args:?}");
    }
}

#[test]
fn the_answer_is_compact_and_in_order() {
    let folder = Folder::new("order");
    let good = folder.library("libgood.so", GOOD, &[]);
    let outcome = run().args([Path::new("/nope"), &good, Path::new("-x"), &good]).go();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(text.contains("\"ok\":true") && text.contains("\"ok\":false"), "{text}");
    let entries = outcome.answer().expect("an answer");
    let paths: Vec<&str> = entries.iter().filter_map(|entry| entry["path"].as_str()).collect();
    assert_eq!(paths, ["/nope", good.to_str().expect("text"), "-x", good.to_str().expect("text")]);
    assert!(entries.iter().all(|entry| (entry["ok"] == true) == entry["error"].is_null()));
}

#[test]
fn lists_may_be_longer_than_command_lines() {
    let folder = Folder::new("lists");
    let good = folder.library("libgood.so", GOOD, &[]);
    let mut list = Vec::new();
    for index in 0..500 {
        list.extend(format!("/nonexistent/{}/{index}\0", "x".repeat(200)).as_bytes());
    }
    list.extend(good.as_os_str().as_bytes());
    let file = folder.file("list", &list);
    let outcome = run().args([format!("@{}", file.display())]).go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!((entries.len(), kind(&entries[500])), (501, "ok"));
    // A list that does not come must not hold the caller beyond the deadline.
    tool("mkfifo", "coreutils", &folder.0, &["silent".into()]);
    let silent = format!("@{}", folder.0.join("silent").display());
    for (list, input) in [(silent.as_str(), Stdio::null()), ("--stdin0", Stdio::piped())] {
        let run = run().args(["--deadline", "0.5", list]).with(|it| {
            it.stdin(input);
        });
        let outcome = run.go();
        assert_eq!((outcome.code, outcome.stdout.len()), (Some(3), 0), "{list}: {outcome:?}");
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(said.contains("did not come before the deadline"), "{said}");
    }
    // One that comes late is read, by whoever opened its FIFO first.
    tool("mkfifo", "coreutils", &folder.0, &["late".into()]);
    let late = folder.0.join("late");
    let writer = std::thread::spawn({
        let (late, list) = (late.clone(), list.clone());
        move || {
            std::thread::sleep(Duration::from_millis(200));
            let mut fifo = fs::OpenOptions::new().write(true).open(late).expect("the FIFO");
            std::thread::sleep(Duration::from_millis(200));
            fifo.write_all(&list).expect("to write");
        }
    });
    let outcome = run().args([format!("@{}", late.display())]).go();
    assert_eq!(outcome.answer().expect("an answer").len(), 501);
    writer.join().expect("the writer");
    let stdin = fs::File::open(&file).expect("the list");
    let outcome = run()
        .args(["--stdin0", "/nope"])
        .with(|it| {
            it.stdin(stdin);
        })
        .go();
    assert_eq!(outcome.answer().expect("an answer").len(), 502);
}

#[test]
fn lines_come_one_by_one() {
    let folder = Folder::new("lines");
    let good = folder.library("libgood.so", GOOD, &[]);
    let slow =
        "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { usleep(400000); }";
    let slow = folder.library("libslow.so", slow, &[]);
    let outcome = run().args(["--ndjson".as_ref(), slow.as_os_str(), good.as_os_str()]).go();
    let text = String::from_utf8(outcome.stdout).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    assert_eq!((outcome.code, lines.len()), (Some(0), 2));
    assert_eq!(lines[0]["path"], *good.to_string_lossy());
    assert_eq!(lines[1]["path"], *slow.to_string_lossy());
}

#[test]
fn an_answer_that_cannot_be_written_is_status_3() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for args in [&["--version"][..], &["/nope"], &["--ndjson", "/nope"]] {
        let full = full.try_clone().expect("a descriptor");
        let outcome = run()
            .args(args)
            .with(|it| {
                it.stdout(full);
            })
            .go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args:?}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("cannot write the answer"));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let outcome = run()
            .args(args)
            .with(|it| {
                it.stdout(writer);
            })
            .go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args:?}, no reader");
    }
}

/// Beyond the limit of file sizes a signal would end the program, and say nothing.
#[test]
fn a_limit_of_file_sizes_is_status_3_too() {
    let folder = Folder::new("sizes");
    for args in ["--version", "--help", "--protocol", "/nope", "--ndjson /nope"] {
        let script = format!("ulimit -f 0; exec \"$0\" {args} > out");
        let run = Run::of(Path::new("bash")).args(["-c", &script]).args([program()]);
        let outcome = run.directory(&folder.0).go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args}: {outcome:?}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("cannot write the answer"));
    }
}

#[test]
fn a_library_is_explained() {
    let folder = Folder::new("explain");
    folder.library("libdep.so", "int dep(void) { return 1; }", &[]);
    let user = "int dep(void); int use(void) { return dep(); }";
    let library = folder.library("libuser.so", user, &["-L.", "-ldep"]);
    let outcome = run().args(["--explain".as_ref(), library.as_os_str()]).go();
    let text = String::from_utf8(outcome.stdout).expect("text");
    assert_eq!(outcome.code, Some(1));
    assert!(
        text.contains("libdep.so => not found") && text.contains("missing_dependency"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "no colours without a terminal");
}

#[test]
fn answers_follow_the_schema() {
    let outcome = run().args(["--protocol"]).go();
    let schema: Value = serde_json::from_slice(&outcome.stdout).expect("the schema");
    let own =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/answer.schema.json"));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), own.expect("the file"));
    let folder = Folder::new("schema");
    let good = folder.library("libgood.so", GOOD, &[]);
    let crash = folder.library(
        "libcrash.so",
        "#include <stdlib.h>\n__attribute__((constructor)) static void c(void) { abort(); }",
        &[],
    );
    let gone = folder.library("libgone.so", "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { write(2, \"why\", 3); _exit(3); }", &[]);
    let missing = folder.library("libmissing.so", GOOD, &["-Wl,--no-as-needed", "-L.", "-lgood"]);
    let entries = answer(&[&good, &crash, &gone, &missing, Path::new("/nope")]);
    let properties = &schema["$defs"]["entry"]["properties"];
    for entry in &entries {
        follow(entry, &schema["$defs"]["entry"]);
        for key in entry.as_object().expect("an object").keys() {
            assert!(properties.get(key).is_some(), "{key} is not in the schema");
        }
    }
    // Go matches keys without regard to case.
    let mut folded: Vec<String> =
        properties.as_object().expect("properties").keys().map(|key| key.to_lowercase()).collect();
    folded.sort();
    let count = folded.len();
    folded.dedup();
    assert_eq!(folded.len(), count);
}

/// Checks `value` against the keywords that the schema uses, and refuses others.
fn follow(value: &Value, schema: &Value) {
    for (keyword, rule) in schema.as_object().expect("a schema") {
        let holds = match keyword.as_str() {
            "type" => match rule.as_str() {
                Some("object") => value.is_object(),
                Some("array") => value.is_array(),
                Some("string") => value.is_string(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_i64() || value.is_u64(),
                other => panic!("unknown type {other:?}"),
            },
            "enum" => rule.as_array().expect("words").contains(value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "required" => rule
                .as_array()
                .expect("keys")
                .iter()
                .all(|key| value.get(key.as_str().expect("a key")).is_some()),
            "properties" => {
                for (key, schema) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(key) {
                        follow(value, schema);
                    }
                }
                true
            }
            "items" => {
                value.as_array().expect("an array").iter().for_each(|value| follow(value, rule));
                true
            }
            "description" => true,
            other => panic!("unknown keyword {other}"),
        };
        assert!(holds, "{value} does not follow {keyword}: {rule}");
    }
}
