//! The program as its users run it: started, asked, ended by a signal.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

fn sayna(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sayna")).args(args).output().unwrap()
}

/// A server on a free port, killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(config: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sayna-{}-{count}.conf", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sayna"));
        command.args(["--listen", "127.0.0.1:0", "--config"]).arg(&file);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        std::fs::remove_file(&file).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    /// Ends it by a signal; its exit code and what it wrote to stderr.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let kill = ["-c", "kill -s \"$1\" -- \"$2\"", "sh", signal, &pid];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn it_answers_and_ends_when_asked() {
    for signal in ["TERM", "INT"] {
        let server = Server::start("");
        let said = server.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(
            said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\nok\n"),
            "{said}"
        );
        assert!(sayna(&["--probe", &server.address]).status.success());
        let address = server.address.clone();
        assert_eq!(server.end(signal), (Some(0), String::new()));
        let probe = sayna(&["--probe", &address]);
        assert_eq!(probe.status.code(), Some(1), "{}", String::from_utf8_lossy(&probe.stderr));
    }
}

/// A request under way is answered after the signal; one that never ends is cut off.
#[test]
fn requests_under_way_are_waited_for() {
    let server = Server::start("");
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // Answered by another thread, so the slow one was accepted before.
    server.ask("GET / HTTP/1.1\r\n\r\n");
    let ended = std::thread::spawn(move || server.end("TERM"));
    slow.write_all(b"\r\n").unwrap();
    let mut said = String::new();
    slow.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert_eq!(ended.join().unwrap(), (Some(0), String::new()));

    let server = Server::start("grace-seconds = 0\n");
    let mut never = TcpStream::connect(&server.address).unwrap();
    never.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    server.ask("GET / HTTP/1.1\r\n\r\n");
    let (code, said) = server.end("TERM");
    assert_eq!(code, Some(1));
    assert!(said.contains("1 request(s) took too long"), "{said}");
}

#[test]
fn one_request_too_many_is_told_to_come_again() {
    let server = Server::start("connections = 1\n");
    let mut first = TcpStream::connect(&server.address).unwrap();
    first.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // Accepted in order.
    let said = server.ask("GET / HTTP/1.1\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
}

#[test]
fn settings_are_checked_without_serving() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/sayna.example.conf");
    let good = sayna(&["--config", example, "--check"]);
    assert!(good.status.success());
    let said = String::from_utf8(good.stdout).unwrap();
    assert_eq!(said, "settings are valid: would listen on 127.0.0.1:3001\n");
    for args in [&["--config", "/nowhere/x", "--check"][..], &["--frobnicate"], &["--listen", "x"]]
    {
        assert_eq!(sayna(args).status.code(), Some(2), "{args:?}");
    }
    let bad = std::env::temp_dir().join(format!("sayna-{}-bad.conf", std::process::id()));
    std::fs::write(&bad, "port = 1\nconnections = many\n").unwrap();
    let said = sayna(&["--check", "--config", bad.to_str().unwrap()]);
    std::fs::remove_file(&bad).unwrap();
    assert_eq!(said.status.code(), Some(2));
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(text.contains("bad.conf:1: unknown setting `port`"), "{text}");
    assert!(text.contains("bad.conf:2: `connections` is `many`"), "{text}");
}

/// An address that is taken is named, with its cure.
#[test]
fn a_taken_address_is_told() {
    let server = Server::start("");
    let said = sayna(&["--listen", &server.address]);
    assert_eq!(said.status.code(), Some(3));
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(text.contains(&server.address) && text.contains("set `listen`"), "{text}");
}
