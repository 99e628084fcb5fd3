//! What the loopback GitHub is asked and answers, as HTTP and as JSON of GitHub's shape.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::REPO;
use crate::state::{Asset, Call, Release};

/// A request without its body.
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub host: String,
    pub accept: String,
    pub length: Option<u64>,
}

/// An answer; `None` ends the connection without one.
pub type Answer = Option<(u16, Vec<(&'static str, String)>, Vec<u8>)>;

pub fn receive(body: &mut impl BufRead, length: u64) -> Option<(String, Vec<u8>)> {
    let mut hasher = Sha256::new();
    let mut kept = Vec::new();
    let mut left = length;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = body.read(&mut buffer[..want]).ok().filter(|n| *n > 0)?;
        hasher.update(&buffer[..got]);
        kept.extend_from_slice(&buffer[..got]);
        left -= got as u64;
    }
    Some((hex::encode(hasher.finalize()), kept))
}

pub fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    Some(Request {
        method,
        path: path.to_owned(),
        query,
        host: header("host"),
        accept: header("accept"),
        length: headers.get("content-length").and_then(|n| n.parse().ok()),
    })
}

/// Which call it is, and the id or name in its path.
pub fn route(request: &Request) -> Option<(Call, String)> {
    let path = request.path.strip_prefix(&format!("/repos/{REPO}/"))?;
    let parts: Vec<&str> = path.split('/').collect();
    let keys: Vec<&str> = request.query.keys().map(String::as_str).collect();
    let upload = request.host == "uploads.github.com";
    let (call, id) = match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["releases", id, "assets"]) if upload && keys == ["name"] => {
            return Some((Call::Upload, (*id).to_owned()));
        }
        _ if upload => return None,
        ("GET", ["releases"]) if keys == ["page", "per_page"] => (Call::List, ""),
        ("GET", ["releases", id, "assets"]) if keys == ["page", "per_page"] => (Call::Assets, *id),
        _ if !keys.is_empty() => return None,
        ("GET", ["git", "ref", "tags", tag]) => (Call::Ref, *tag),
        ("GET", ["git", "tags", sha]) => (Call::Tag, *sha),
        ("GET", ["releases", "tags", tag]) => (Call::ByTag, *tag),
        ("GET", ["releases", "assets", id]) => (Call::Download, *id),
        ("GET", ["releases", id]) => (Call::Release, *id),
        ("POST", ["releases"]) => (Call::Create, ""),
        ("DELETE", ["releases", "assets", id]) => (Call::DeleteAsset, *id),
        ("DELETE", ["releases", id]) => (Call::DeleteRelease, *id),
        ("PATCH", ["releases", id]) => (Call::Patch, *id),
        _ => return None,
    };
    Some((call, id.replace("%2B", "+")))
}

pub fn ok(status: u16, body: &Value) -> Answer {
    let kind = ("Content-Type", "application/json; charset=utf-8".to_owned());
    Some((status, vec![kind], body.to_string().into_bytes()))
}

pub fn error(status: u16, message: &str) -> Answer {
    ok(
        status,
        &json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string() }),
    )
}

pub fn page(request: &Request, items: Vec<Value>, list: &str) -> Answer {
    let number = |key: &str, default: usize| {
        request.query.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (size, page) = (number("per_page", 30).clamp(1, 100), number("page", 1).max(1));
    let count = items.len();
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
    let mut answer = ok(200, &Value::Array(shown))?;
    if page * size < count {
        let next = api(&format!("{list}?per_page={size}&page={}", page + 1));
        answer.1.push(("Link", format!("<{next}>; rel=\"next\"")));
    }
    Some(answer)
}

pub fn api(path: &str) -> String {
    format!("https://api.github.com/repos/{REPO}/{path}")
}

pub fn tag_object(commit: &str) -> String {
    commit.chars().rev().collect()
}

pub fn assets_json(release: &Release) -> Vec<Value> {
    release.assets.iter().filter(|asset| !asset.hidden).map(asset_json).collect()
}

pub fn release_json(release: &Release) -> Value {
    let id = release.id;
    let page = format!("https://github.com/{REPO}/releases/tag/{}", release.tag);
    json!({
        "url": api(&format!("releases/{id}")),
        "assets_url": api(&format!("releases/{id}/assets")),
        "upload_url": format!("https://uploads.github.com/repos/{REPO}/releases/{id}/assets{{?name,label}}"),
        "html_url": page,
        "id": id,
        "author": user(),
        "node_id": "RE_x",
        "tag_name": release.tag,
        "target_commitish": "main",
        "name": release.name,
        "draft": release.draft,
        "immutable": false,
        "prerelease": release.prerelease,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "published_at": if release.draft { Value::Null } else { json!("2026-01-01T00:00:00Z") },
        "assets": assets_json(release),
        "tarball_url": api("tarball/x"),
        "zipball_url": api("zipball/x"),
        "body": release.body,
    })
}

pub fn asset_json(asset: &Asset) -> Value {
    let digest = (asset.state == "uploaded" && asset.null_reads == 0)
        .then(|| format!("sha256:{}", asset.sha256));
    json!({
        "url": api(&format!("releases/assets/{}", asset.id)),
        "id": asset.id,
        "node_id": "RA_x",
        "name": asset.name,
        "label": "",
        "uploader": user(),
        "content_type": "application/octet-stream",
        "state": asset.state,
        "size": asset.size,
        "digest": digest,
        "download_count": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "browser_download_url": format!("https://github.com/{REPO}/releases/download/x/{}", asset.name),
    })
}

fn user() -> Value {
    let url = "https://api.github.com/users/octocat";
    json!({
        "login": "octocat", "id": 1, "node_id": "U_x", "avatar_url": url, "gravatar_id": "", "url": url,
        "html_url": url, "followers_url": url, "following_url": url, "gists_url": url,
        "starred_url": url, "subscriptions_url": url, "organizations_url": url, "repos_url": url,
        "events_url": url, "received_events_url": url, "type": "User", "site_admin": false,
    })
}
