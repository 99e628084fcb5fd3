//! `verify` as a user: through public addresses, by curl, from a loopback HTTP server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::common::{Ended, run};
use crate::server::REPO;
use crate::world::{ASSETS, TAG, World};

/// Serves these paths, and nothing else; it ends with the test process.
struct Site {
    paths: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    url: String,
}

impl Site {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let paths = Arc::new(Mutex::new(BTreeMap::<String, Vec<u8>>::new()));
        let shared = Arc::clone(&paths);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let _ = reader.read_line(&mut line);
                let mut header = String::from("x");
                while !header.trim().is_empty() {
                    header.clear();
                    if !matches!(reader.read_line(&mut header), Ok(n) if n > 0) {
                        break;
                    }
                    assert!(!header.to_ascii_lowercase().starts_with("authorization"), "{header}");
                }
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = shared.lock().unwrap().get(&path).cloned();
                let (status, body) = found.map_or((404, Vec::new()), |body| (200, body));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&body);
            }
        });
        Self { paths, url }
    }

    fn put(&self, path: String, bytes: &[u8]) {
        self.paths.lock().unwrap().insert(path, bytes.to_owned());
    }
}

fn download(tag: &str, name: &str) -> String {
    format!("/{REPO}/releases/download/{tag}/{name}")
}

/// A published release, on the loopback GitHub and on the site.
fn published() -> (World, Site) {
    let world = World::new();
    world.finalize().expect(0);
    let site = Site::start();
    {
        let state = world.server.state();
        for asset in &state.releases[0].assets {
            site.put(download(TAG, &asset.name), &asset.bytes);
            site.put(format!("/{REPO}/releases/latest/download/{}", asset.name), &asset.bytes);
        }
        let text = json!({ "tag_name": TAG, "prerelease": false, "body": state.releases[0].body });
        site.put(format!("/repos/{REPO}/releases/tags/{TAG}"), text.to_string().as_bytes());
    }
    (world, site)
}

fn verify(world: &World, site: &Site) -> Ended {
    run(&mut verify_command(world, site))
}

fn verify_command(world: &World, site: &Site) -> Command {
    let mut command =
        world.xtask(&["verify", "--tag", TAG, "--base-url", &site.url, "--api-url", &site.url]);
    // As anybody: without what leads to the forge.
    command.env_remove("GH_TOKEN").env_remove("GH_CONFIG_DIR");
    command
}

#[test]
fn a_sound_release() {
    let (world, site) = published();
    let said = verify(&world, &site).expect(0).stdout;
    for row in [
        "ok       every asset of the plan is there",
        "ok       the checksum file lists all others, and they match",
        "ok       the manifest describes the programs",
        "ok       the provenance is of these programs",
        "ok       every program passes the audit, from its bytes",
        "ok       the latest release is the highest stable version",
        "ok       the release's text holds the version's notes",
    ] {
        assert!(said.contains(row), "{row}:\n{said}");
    }
    assert!(said.contains(&format!("ok       {} version", ASSETS[0])), "{said}");
}

/// One thing is changed on the site, and verify says so.
#[track_caller]
fn refused(change: impl Fn(&Site), says: &[&str]) {
    let (world, site) = published();
    change(&site);
    verify(&world, &site).expect(1).says(says);
}

#[test]
fn what_is_wrong_is_named() {
    let gone = download(TAG, ASSETS[1]);
    refused(|site| drop(site.paths.lock().unwrap().remove(&gone)), &[ASSETS[1], "404"]);
    refused(
        |site| site.put(download(TAG, ASSETS[0]), b"other"),
        &[ASSETS[0], "not the file that checksums.txt lists", "not auditable"],
    );
    refused(|site| site.put(download(TAG, "provenance.json"), b"{}"), &["provenance.json"]);
    refused(|site| site.put(download(TAG, "checksums.txt"), b"no"), &["checksums.txt:1"]);
    let latest = format!("/{REPO}/releases/latest/download/manifest.json");
    refused(|site| site.put(latest.clone(), b"{\"tag\": \"v1.0.0\"}"), &["leads to v1.0.0"]);
    let text = format!("/repos/{REPO}/releases/tags/{TAG}");
    refused(
        |site| site.put(text.clone(), b"{\"prerelease\": true, \"body\": \"\"}"),
        &["prerelease is true", "not the notes"],
    );
}

/// Beside a workflow that attests, `verify` asks `gh`, here a program of that name that ends so.
fn signed(gh: &str) -> Ended {
    let (world, site) = published();
    world.folder.write(
        ".github/workflows/release.yml",
        "jobs:\n  attest:\n    steps:\n      - uses: actions/attest@0123456789012345678901234567890123456789\n",
    );
    let mut command = verify_command(&world, &site);
    if !gh.is_empty() {
        let path = world.folder.write("bin/gh", &format!("#!/bin/sh\n{gh}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let rest = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{rest}", world.folder.join("bin").display()));
    }
    run(command.arg("--strict"))
}

#[test]
fn signed_provenance_is_asked_of_gh_and_its_refusal_is_a_failure() {
    let row = format!("each program is vouched for by {REPO}/.github/workflows/release.yml");
    // The real one, which is too old or has no token.
    let ended = signed("").expect(1);
    assert!(ended.stdout.contains(&format!("not run  {row}: ")), "{}", ended.stdout);
    let ended = signed("exit 4").expect(1);
    assert!(ended.stdout.contains(&format!("not run  {row}: ")), "{}", ended.stdout);
    let asks = format!(
        "case \"$*\" in *--help) ;; \"attestation verify tool-linux-\"*\" --repo {REPO} --signer-workflow {REPO}/.github/workflows/release.yml\") "
    );
    let ended = signed(&format!("{asks} ;; *) exit 9; esac")).expect(0);
    assert!(ended.stdout.contains(&format!("ok       {row}")), "{}", ended.stdout);
    let refuses = format!("{asks} echo 'no attestations found' >&2; exit 1;; *) exit 9; esac");
    let ended = signed(&refuses).expect(1).says(&[ASSETS[0], ASSETS[1], "no attestations found"]);
    assert!(ended.stdout.contains(&format!("FAILED   {row}")), "{}", ended.stdout);
}

#[test]
fn a_higher_version_may_be_the_latest() {
    let (world, site) = published();
    let latest = format!("/{REPO}/releases/latest/download/manifest.json");
    site.put(latest, b"{\"tag\": \"v2.0.0\"}");
    verify(&world, &site).expect(0);
}

#[test]
fn a_checksum_file_with_windows_line_ends() {
    let (world, site) = published();
    let path = download(TAG, "checksums.txt");
    let unix = String::from_utf8(site.paths.lock().unwrap()[&path].clone()).unwrap();
    site.put(path, unix.replace('\n', "\r\n").as_bytes());
    let ended = verify(&world, &site);
    // Read either way: its lines are right, and nothing vouches for the file itself.
    ended.expect(0);
}
