//! `gh api`: one call, its deadline, its answer.
//!
//! `gh` signs in, speaks TLS and follows proxies; `gh api` by id has had one interface since 2.23. It
//! has no time limit of its own, so every call gets one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde_json::Value;
use xtask_core::plan::Invocation;
use xtask_core::release::Outcome;

use crate::ops::files;
use crate::ops::proc::{self, Output};

/// For a call without a file.
const DEADLINE: Duration = Duration::from_secs(20);
/// Bytes per second below which a transfer is given up.
const SLOWEST: u64 = 128 * 1024;
/// Waited when the forge limits the rate and does not say for how long (GitHub, "Best practices for
/// using the REST API": at least one minute).
const UNSAID: Duration = Duration::from_secs(60);
/// What of our environment `gh` needs beside the usual: its token, its configuration.
pub(crate) const PASSED: &[&str] =
    &["GH_TOKEN", "GITHUB_TOKEN", "GH_CONFIG_DIR", "XDG_STATE_HOME", "XDG_DATA_HOME"];
/// `gh` asks nobody, looks for no news of itself and colours nothing.
const QUIET: &[(&str, &str)] = &[
    ("GH_PROMPT_DISABLED", "1"),
    ("GH_NO_UPDATE_NOTIFIER", "1"),
    ("GH_NO_EXTENSION_UPDATE_NOTIFIER", "1"),
    ("GH_TELEMETRY", "0"),
    ("DO_NOT_TRACK", "1"),
    ("NO_COLOR", "1"),
];
/// What gh's exit code 4 says.
pub(super) const UNSIGNED: &str = "gh has no token: set GH_TOKEN, or sign in with `gh auth login`";
const VERSION: &str = "X-GitHub-Api-Version: 2022-11-28";

/// An answer of the forge.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    /// Whether the `Link` header names a next page.
    pub(super) more: bool,
    body: Vec<u8>,
}

impl Answer {
    /// Reads what `gh api -i` prints: status line, headers, an empty line, the body.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = |mark: &[u8]| {
            bytes.windows(mark.len()).position(|w| w == mark).map(|at| (at, mark.len()))
        };
        let (at, len) = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min()?;
        let head = String::from_utf8_lossy(bytes.get(..at)?);
        let mut lines = head.lines();
        let line = lines.next()?;
        let status = line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()?;
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        Some(Self {
            status,
            retry_after: asked(&header),
            more: header("link").is_some_and(|link| link.contains("rel=\"next\"")),
            body: bytes.get(at + len..)?.to_vec(),
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Outcome::Lost`] when it is none: the answer was cut short.
    pub(super) fn json(&self) -> Result<Value, Outcome> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Outcome::Lost(format!("an answer that is no JSON ({error})")))
    }

    /// What the status means, when it is not success.
    fn failure(&self) -> Option<Outcome> {
        let text = self.message();
        Some(match self.status {
            200..=299 => return None,
            403 | 429 | 503 if let Some(pause) = self.retry_after => Outcome::Throttled(pause),
            429 => Outcome::Throttled(UNSAID),
            404 | 410 => Outcome::Gone(text),
            408 | 409 | 500..=599 => Outcome::Lost(text),
            422 if self.code("already_exists") => Outcome::Taken,
            401 => Outcome::Denied(format!(
                "{text}; the token is not valid: sign in again with `gh auth login`, or mend GH_TOKEN"
            )),
            300..=399 => Outcome::Denied(format!(
                "{text}; the repository was renamed or moved: set [release] repository in xtask.toml to its new name"
            )),
            _ => Outcome::Denied(text),
        })
    }

    fn code(&self, code: &str) -> bool {
        self.json().is_ok_and(|json| {
            json["errors"].as_array().is_some_and(|errors| errors.iter().any(|e| e["code"] == code))
        })
    }

    /// The forge's own words: its message and the errors below it.
    fn message(&self) -> String {
        let mut text = format!("HTTP {}", self.status);
        let Ok(json) = self.json() else { return text };
        let errors = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let words =
            errors.iter().map(|e| e["message"].as_str().or(e["code"].as_str()).or(e.as_str()));
        for word in [json["message"].as_str()].into_iter().chain(words).flatten() {
            text.push_str(": ");
            text.push_str(&shown(word));
        }
        text
    }
}

/// How long the forge asks to wait: `Retry-After` in seconds; or, when nothing remains of the hourly
/// limit, until it starts anew (GitHub, "Rate limits for the REST API").
fn asked<'a>(header: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let seconds = |name: &str| header(name).and_then(|text| text.parse().ok());
    if let Some(pause) = seconds("retry-after") {
        return Some(Duration::from_secs(pause));
    }
    let reset =
        seconds("x-ratelimit-reset").filter(|_| seconds("x-ratelimit-remaining") == Some(0))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(Duration::from_secs(reset).saturating_sub(now) + Duration::from_secs(1))
}

/// Foreign text as it may be shown: no token, no control characters, no flood.
fn shown(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).take(500).collect();
    for name in ["GH_TOKEN", "GITHUB_TOKEN"] {
        if let Ok(token) = std::env::var(name)
            && !token.trim().is_empty()
        {
            text = text.replace(token.trim(), "***");
        }
    }
    text
}

/// Whether `gh` speaks to a Unix socket of this machine instead of GitHub: its own setting,
/// `http_unix_socket`.
pub(crate) fn is_loopback() -> anyhow::Result<bool> {
    let outcome =
        proc::run(&gh(DEADLINE).args(["config", "get", "http_unix_socket"]), Output::Capture)?;
    Ok(outcome.success() && !outcome.text().is_empty())
}

fn base(deadline: Duration) -> Invocation {
    gh(deadline).arg("api")
}

pub(super) fn gh(deadline: Duration) -> Invocation {
    let mut run = Invocation::new("gh").deadline(deadline);
    for name in PASSED {
        if let Ok(value) = std::env::var(name) {
            run = run.env(*name, value);
        }
    }
    for (name, value) in QUIET {
        run = run.env(*name, *value);
    }
    run
}

/// The time that a transfer of so many bytes may take.
fn deadline(size: u64) -> Duration {
    DEADLINE + Duration::from_secs(size / SLOWEST)
}

/// One call without a body. `path` is relative to the API's root, or a whole address.
pub(super) fn call(method: &str, path: &str) -> Result<Answer, Outcome> {
    send(base(DEADLINE).args(["-i", "-X", method, "-H", VERSION, path]))
}

/// One call with a JSON body, handed over in a file: `-F` would turn strings into numbers, and a
/// body on standard input is sent chunked.
pub(super) fn call_with(method: &str, path: &str, body: &Value) -> Result<Answer, Outcome> {
    let file = Body::write(body).map_err(|error| Outcome::Denied(format!("{error:#}")))?;
    let (folder, name) = file.place();
    send(
        base(DEADLINE).args(["-i", "-X", method, "-H", VERSION, path, "--input", name]).cwd(folder),
    )
}

/// A file's folder, to run `gh` in, and its name: what stands in a folder's name must not reach `gh` as an
/// argument.
pub(super) fn place(file: &Path) -> (String, String) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_string_lossy().into_owned();
    (folder, file.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Sends a file's bytes.
pub(super) fn upload(url: &str, file: &Path, size: u64) -> Result<Answer, Outcome> {
    let (folder, name) = place(file);
    let kind = "Content-Type: application/octet-stream";
    let run = base(deadline(size))
        .args(["-i", "-X", "POST", "-H", VERSION, "-H", kind, url, "--input", &name]);
    send(run.cwd(folder))
}

/// Receives an asset's bytes into a file.
pub(super) fn download(path: &str, to: &Path, size: u64) -> anyhow::Result<()> {
    let file = File::create_new(to).with_context(|| format!("cannot make `{}`", to.display()))?;
    let run =
        base(deadline(size)).args(["-H", VERSION, "-H", "Accept: application/octet-stream", path]);
    let outcome = proc::run_into(&run, file)?;
    if !outcome.success() {
        anyhow::bail!("`gh` could not fetch {path}: {}", why(&outcome));
    }
    Ok(())
}

fn send(run: Invocation) -> Result<Answer, Outcome> {
    let outcome = proc::run(&run, Output::Capture).map_err(|error| {
        Outcome::Denied(format!("{error:#}; gh 2.23 or newer is needed (package gh)"))
    })?;
    match Answer::parse(&outcome.stdout) {
        Some(answer) if outcome.status.is_some() => match answer.failure() {
            Some(failure) => Err(failure),
            // 2xx, but gh failed all the same: the body broke off.
            None if !outcome.success() => Err(Outcome::Lost(why(&outcome))),
            None => Ok(answer),
        },
        _ if outcome.code() == Some(4) => Err(Outcome::Denied(UNSIGNED.to_owned())),
        _ => Err(Outcome::Lost(why(&outcome))),
    }
}

/// The last line of what it said, or how it ended.
pub(super) fn why(outcome: &proc::Outcome) -> String {
    let text = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match (outcome.status, line) {
        (None, _) => format!("no answer: gh was {}", outcome.ended()),
        (_, "") => format!("gh ended with {}", outcome.ended()),
        (_, line) => shown(line.trim()),
    }
}

/// A body in a file of its own, removed when dropped.
struct Body {
    folder: files::TempFolder,
}

impl Body {
    const NAME: &str = "body.json";

    fn write(body: &Value) -> anyhow::Result<Self> {
        let folder = files::TempFolder::new(&std::env::temp_dir())?;
        let path: PathBuf = folder.path().join(Self::NAME);
        let mut file =
            File::create_new(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        file.write_all(body.to_string().as_bytes())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Self { folder })
    }

    fn place(&self) -> (String, &'static str) {
        (self.folder.path().to_string_lossy().into_owned(), Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn reads_what_gh_prints() {
        let link = "Link: <https://api.github.com/x?page=2>; rel=\"next\"";
        let got = answer(&format!("HTTP/1.1 200 OK\nServer: x\r\n{link}\r\n\r\n[1]"));
        assert_eq!(got.status, 200);
        assert!(got.more);
        assert_eq!(got.json(), Ok(serde_json::json!([1])));
        assert!(Answer::parse(b"gh: not found").is_none());
        assert!(Answer::parse(b"HTTP/1.1 200 OK\nServer: x").is_none());
    }

    #[test]
    fn a_status_is_told_by_what_can_be_done_about_it() {
        let cases = [
            ("502 Bad Gateway\n\n", Outcome::Lost("HTTP 502".into())),
            ("403 Forbidden\nRetry-After: 7\n\n{}", Outcome::Throttled(Duration::from_secs(7))),
            ("429 Slow\n\n{}", Outcome::Throttled(UNSAID)),
            ("403 Forbidden\n\n{\"message\":\"no\"}", Outcome::Denied("HTTP 403: no".into())),
            (
                "404 Not Found\n\n{\"message\":\"Not Found\"}",
                Outcome::Gone("HTTP 404: Not Found".into()),
            ),
            (
                "422 U\n\n{\"message\":\"V\",\"errors\":[{\"code\":\"already_exists\"}]}",
                Outcome::Taken,
            ),
            (
                "422 U\n\n{\"message\":\"V\",\"errors\":[{\"code\":\"custom\",\"message\":\"burned\"}]}",
                Outcome::Denied("HTTP 422: V: burned".into()),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(answer(&format!("HTTP/2.0 {text}")).failure(), Some(expected));
        }
        assert_eq!(answer("HTTP/2.0 204 No Content\r\n\r\n").failure(), None);
    }

    #[test]
    fn a_cut_answer_is_a_lost_one() {
        assert!(matches!(answer("HTTP/2.0 200 OK\n\n{\"id\":").json(), Err(Outcome::Lost(_))));
    }
}
