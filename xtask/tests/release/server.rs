//! A loopback GitHub over a Unix socket, for the real `gh`. Stateful, and honest: sizes and digests are
//! those of the bytes received, an unknown request is an error, a name is taken by hidden assets too,
//! and what is asked is logged before it is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::state::{Asset, Call, Fault, State};
use crate::wire::{
    Answer, Request, api, asset_json, assets_json, error, ok, page, read_request, receive,
    release_json, route, tag_object,
};

pub const REPO: &str = "owner/tool";
pub const TOKEN: &str = "ghp_test0token1of2forty3characters4long56";

/// The server; it ends with the test process.
pub struct Server {
    state: Mutex<State>,
    /// A client is to be killed now; and is dead.
    pub reached: Condvar,
    gate: Mutex<(bool, bool)>,
}

impl Server {
    pub fn start(socket: &Path) -> Arc<Self> {
        let listener = UnixListener::bind(socket).unwrap();
        let server = Arc::new(Self {
            state: Mutex::new(State::default()),
            reached: Condvar::new(),
            gate: Mutex::new((false, false)),
        });
        let shared = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&shared);
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until the request at which to kill is there; `false` when `ended` says so first.
    pub fn wait_for_kill(&self, mut ended: impl FnMut() -> bool) -> bool {
        loop {
            let gate = self.gate.lock().unwrap();
            let (gate, _) = self.reached.wait_timeout(gate, Duration::from_millis(5)).unwrap();
            if gate.0 {
                return true;
            }
            drop(gate);
            if ended() {
                return false;
            }
        }
    }

    /// The client is dead: what it asked for goes on.
    pub fn killed(&self) {
        self.gate.lock().unwrap().1 = true;
        self.reached.notify_all();
    }

    fn serve(&self, stream: UnixStream) {
        let Ok(writer) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        let Some(request) = read_request(&mut reader) else { return };
        let answer = self.answer(&request, &mut reader);
        if let Some((status, headers, body)) = answer {
            let mut writer = writer;
            let mut head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close\r\n",
                body.len()
            );
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let _ = writer.write_all(head.as_bytes());
            let _ = writer.write_all(b"\r\n");
            let _ = writer.write_all(&body);
        }
    }

    fn answer(&self, request: &Request, body: &mut impl BufRead) -> Answer {
        let Some((call, ids)) = route(request) else {
            let text = format!("{} {} {:?}", request.method, request.path, request.query);
            self.state().unknown.push(text);
            return error(404, "no such route");
        };
        let fault = {
            let mut state = self.state();
            state.log.push((call, format!("{} {}", request.method, request.path)));
            if state.kill_at == Some(state.log.len()) {
                drop(state);
                self.let_kill();
                state = self.state();
            }
            state.fault(call)
        };
        // An answer, even a refusal, comes after the body: else the client may see a broken pipe instead.
        let refused = matches!(
            fault,
            Some(
                Fault::Status(_)
                    | Fault::RetryAfter(..)
                    | Fault::LimitReset(_)
                    | Fault::EchoToken
                    | Fault::Moved
            )
        );
        if let (true, Some(length)) = (refused, request.length) {
            receive(body, length)?;
        }
        match fault {
            Some(Fault::ResetBefore) => return None,
            Some(Fault::Status(status)) => return error(status, "injected"),
            Some(Fault::EchoToken) => {
                return error(403, &format!("bad credentials: token {TOKEN}"));
            }
            Some(Fault::RetryAfter(status, seconds)) => {
                let (status, mut headers, body) = error(status, "slow down")?;
                headers.push(("Retry-After", seconds.to_string()));
                return Some((status, headers, body));
            }
            Some(Fault::LimitReset(seconds)) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                let (status, mut headers, body) = error(403, "API rate limit exceeded")?;
                headers.push(("X-RateLimit-Remaining", "0".to_owned()));
                headers.push(("X-RateLimit-Reset", (now.as_secs() + seconds).to_string()));
                return Some((status, headers, body));
            }
            Some(Fault::Moved) => {
                let to = "https://api.github.com/repositories/1".to_owned();
                let (status, mut headers, body) = error(307, "Moved Permanently")?;
                headers.push(("Location", to));
                return Some((status, headers, body));
            }
            Some(Fault::Hang) => {
                thread::sleep(Duration::from_secs(3600));
                return None;
            }
            _ => {}
        }
        if self.state().forbidden {
            return error(404, "Not Found");
        }
        let answer = self.effect(call, &ids, request, body, fault);
        if let (Some((status, _, body)), true) = (&answer, call != Call::Download) {
            self.state().answers.push((call, *status, body.clone()));
        }
        if call.writes() {
            self.state().fresh.clear();
        } else {
            self.state().fresh.push(call);
        }
        if fault == Some(Fault::ResetAfter) { None } else { answer }
    }

    fn let_kill(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.0 = true;
        self.reached.notify_all();
        while !gate.1 {
            gate = self.reached.wait(gate).unwrap();
        }
    }

    fn effect(
        &self,
        call: Call,
        id: &str,
        request: &Request,
        body: &mut impl BufRead,
        fault: Option<Fault>,
    ) -> Answer {
        let number: u64 = id.parse().unwrap_or_default();
        match call {
            Call::Upload => return self.upload(number, request, body, fault),
            Call::Create | Call::Patch => {
                let mut bytes = Vec::new();
                let length = request.length.unwrap_or_default();
                if body.take(length).read_to_end(&mut bytes).is_err()
                    || bytes.len() as u64 != length
                {
                    return None;
                }
                let Ok(json) = serde_json::from_slice::<Value>(&bytes) else {
                    return error(400, "Problems parsing JSON");
                };
                return if call == Call::Create {
                    self.create(&json, fault)
                } else {
                    self.patch(number, &json)
                };
            }
            _ => {}
        }
        let mut state = self.state();
        let stale = fault == Some(Fault::Stale);
        match call {
            Call::Ref => {
                let Some((sha, annotated)) = state.tags.get(id) else {
                    return error(404, "Not Found");
                };
                let (kind, sha) =
                    if *annotated { ("tag", tag_object(sha)) } else { ("commit", sha.clone()) };
                let object = json!({ "type": kind, "sha": sha, "url": api("git/x") });
                ok(
                    200,
                    &json!({ "ref": format!("refs/tags/{id}"), "node_id": "n", "url": api("git/ref"), "object": object }),
                )
            }
            Call::Tag => {
                let found = state.tags.iter().find(|(_, (sha, _))| tag_object(sha) == id);
                let Some((name, (sha, _))) = found else { return error(404, "Not Found") };
                let object = json!({ "type": "commit", "sha": sha, "url": api("git/x") });
                ok(
                    200,
                    &json!({
                        "node_id": "n", "tag": name, "sha": id, "url": api("git/tags"), "message": "m",
                        "tagger": { "date": "2026-01-01T00:00:00Z", "email": "t@example.com", "name": "T" },
                        "object": object,
                    }),
                )
            }
            Call::List => {
                let listed = if stale { state.before.clone() } else { state.releases.clone() };
                let items: Vec<Value> = listed.iter().rev().map(release_json).collect();
                page(request, items, "releases")
            }
            Call::ByTag => {
                let found = state.releases.iter().find(|r| r.tag == id && !r.draft);
                found.map_or_else(|| error(404, "Not Found"), |r| ok(200, &release_json(r)))
            }
            Call::Release => {
                let found = state.releases.iter().find(|r| r.id == number);
                found.map_or_else(|| error(404, "Not Found"), |r| ok(200, &release_json(r)))
            }
            Call::Assets => {
                if !state.releases.iter().any(|r| r.id == number) {
                    return error(404, "Not Found");
                }
                let from = if stale { &state.before } else { &state.releases };
                let shown = from.iter().find(|r| r.id == number);
                let items = shown.map(assets_json).unwrap_or_default();
                let held = state.releases.iter_mut().flat_map(|r| &mut r.assets);
                held.for_each(|asset| {
                    asset.seen_whole = asset.state == "uploaded" && asset.null_reads == 0;
                    asset.null_reads = asset.null_reads.saturating_sub(1);
                });
                page(request, items, "assets")
            }
            Call::Download => {
                let asset = state.releases.iter().flat_map(|r| &r.assets).find(|a| a.id == number);
                let Some(asset) = asset else { return error(404, "Not Found") };
                if request.accept != "application/octet-stream" {
                    return error(400, "not asked for bytes");
                }
                Some((
                    200,
                    vec![("Content-Type", "application/octet-stream".to_owned())],
                    asset.bytes.to_vec(),
                ))
            }
            Call::DeleteAsset | Call::DeleteRelease => {
                let before = state.releases.clone();
                let locked = state.immutable
                    && state.releases.iter().any(|r| {
                        !r.draft && (r.id == number || r.assets.iter().any(|a| a.id == number))
                    });
                if locked {
                    return error(422, "Cannot delete an asset of an immutable release");
                }
                let count = |state: &State| {
                    state.releases.iter().map(|r| 1 + r.assets.len()).sum::<usize>()
                };
                let held = count(&state);
                if call == Call::DeleteRelease {
                    state.releases.retain(|r| r.id != number);
                } else {
                    let asset = before.iter().flat_map(|r| &r.assets).find(|a| a.id == number);
                    let whole = asset.filter(|asset| asset.seen_whole);
                    state.deleted_whole.extend(whole.map(|asset| asset.name.clone()));
                    state.releases.iter_mut().for_each(|r| r.assets.retain(|a| a.id != number));
                }
                if count(&state) == held {
                    return error(404, "Not Found");
                }
                state.before = before;
                Some((204, Vec::new(), Vec::new()))
            }
            Call::Upload | Call::Create | Call::Patch => None,
        }
    }

    fn create(&self, json: &Value, fault: Option<Fault>) -> Answer {
        let mut state = self.state();
        state.before = state.releases.clone();
        let tag = json["tag_name"].as_str().unwrap_or_default().to_owned();
        if json["draft"] != true || json.get("target_commitish").is_some() {
            state.unknown.push(format!("create {json}"));
        }
        let body = json["body"].as_str().unwrap_or_default().to_owned();
        if fault == Some(Fault::Twin) {
            state.add_release(&tag, &body, true);
        }
        let id = state.add_release(&tag, &body, true);
        let release = state.releases.iter_mut().find(|r| r.id == id).unwrap();
        release.name = json["name"].as_str().unwrap_or_default().to_owned();
        release.prerelease = json["prerelease"] == true;
        let mut answer = ok(201, &release_json(release))?;
        answer.1.push(("Location", api(&format!("releases/{id}"))));
        Some(answer)
    }

    fn patch(&self, id: u64, json: &Value) -> Answer {
        let mut state = self.state();
        if json["draft"] == false {
            state.judge_publish(id);
            let latest = json["make_latest"].as_str().unwrap_or("true").to_owned();
            if json.get("tag_name").is_none() {
                state.violations.push("published without its tag's name".to_owned());
            }
            if latest == "true" {
                state.latest = json["tag_name"].as_str().map(str::to_owned);
            }
        }
        state.before = state.releases.clone();
        let Some(release) = state.releases.iter_mut().find(|r| r.id == id) else {
            return error(404, "Not Found");
        };
        if json["draft"] == false {
            release.draft = false;
        }
        release.prerelease = json["prerelease"] == true;
        ok(200, &release_json(release))
    }

    fn upload(
        &self,
        release: u64,
        request: &Request,
        body: &mut impl BufRead,
        fault: Option<Fault>,
    ) -> Answer {
        let name = request.query.get("name").cloned().unwrap_or_default();
        let Some(length) = request.length else { return error(400, "chunked uploads are refused") };
        {
            let mut state = self.state();
            state.uploading += 1;
            state.most_uploading = state.most_uploading.max(state.uploading);
        }
        let received = receive(body, length);
        let mut state = self.state();
        state.uploading -= 1;
        let (sha256, bytes) = received?;
        let id = state.id();
        let before = state.releases.clone();
        let immutable = state.immutable;
        let Some(held) = state.releases.iter_mut().find(|r| r.id == release) else {
            return error(404, "Not Found");
        };
        if immutable && !held.draft {
            return error(422, "Cannot upload assets to an immutable release.");
        }
        if held.assets.iter().any(|asset| asset.name == name) {
            let errors =
                json!([{ "resource": "ReleaseAsset", "code": "already_exists", "field": "name" }]);
            return ok(
                422,
                &json!({ "message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com" }),
            );
        }
        let starter = matches!(fault, Some(Fault::Starter { .. } | Fault::CreatedAsStarter));
        let mut asset = Asset {
            id,
            name,
            state: if starter { "starter" } else { "uploaded" },
            hidden: fault == Some(Fault::Starter { hidden: true }),
            size: if starter { 0 } else { length },
            sha256: if fault == Some(Fault::WrongBytes) { "0".repeat(64) } else { sha256 },
            null_reads: 0,
            seen_whole: false,
            bytes: Arc::new(bytes),
        };
        if let Some(Fault::NullDigest(reads)) = fault {
            asset.null_reads = reads;
        }
        let json = asset_json(&asset);
        held.assets.push(asset);
        state.before = before;
        match fault {
            Some(Fault::Starter { .. }) => error(502, "Bad Gateway"),
            _ => ok(201, &json),
        }
    }
}
