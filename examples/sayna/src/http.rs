//! As much HTTP/1.1 (RFC 9112) as is needed: one request per connection, heads only.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A longer head is refused.
const LONGEST_HEAD: usize = 8 * 1024;
/// For each read and write.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a client that has its answer to close the connection.
const GOODBYE: Duration = Duration::from_millis(500);

/// Reads one request and answers it; when busy, tells the client to come again.
pub(crate) fn answer(mut stream: TcpStream, busy: bool) -> io::Result<()> {
    settle(&stream)?;
    let response = match head(&mut stream)? {
        _ if busy => Response::new(503, "too many requests at once\n"),
        Some(head) => respond(&head),
        None => Response::new(431, "the request's head is too long\n"),
    };
    stream.write_all(&response.bytes())?;
    stream.shutdown(Shutdown::Write)?;
    // A socket that is closed with bytes unread is reset, and the client may lose the answer.
    stream.set_read_timeout(Some(GOODBYE))?;
    io::copy(&mut stream.take(LONGEST_HEAD as u64), &mut io::sink()).map(drop)
}

fn settle(stream: &TcpStream) -> io::Result<()> {
    // What is accepted may have inherited the listener's mode.
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// All up to the empty line; `None` when that does not come in time for its length.
fn head(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            return Ok(None);
        }
        match stream.read(&mut buffer)? {
            0 => break,
            count => head.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(Some(head))
}

#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    body: String,
    /// HEAD: the length is told, and nothing sent.
    head_only: bool,
}

impl Response {
    fn new(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), head_only: false }
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let allow = if self.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        let body = if self.head_only { "" } else { self.body.as_str() };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{allow}\
             Connection: close\r\n\r\n{body}",
            self.status,
            self.body.len()
        )
        .into_bytes()
    }
}

fn respond(head: &[u8]) -> Response {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().next().unwrap_or_default();
    let words: Vec<_> = line.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
        return Response::new(400, "this is no HTTP/1.1 request\n");
    };
    if !matches!(method, "GET" | "HEAD") {
        return Response::new(405, "only GET and HEAD are answered\n");
    }
    let path = target.split('?').next().unwrap_or_default();
    let response = match path {
        "/" => Response::new(200, concat!("sayna ", env!("CARGO_PKG_VERSION"), "\n")),
        "/healthz" => Response::new(200, "ok\n"),
        _ => Response::new(404, "there is / and /healthz\n"),
    };
    Response { head_only: method == "HEAD", ..response }
}

/// Asks a server for `/healthz`.
pub(crate) fn probe(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    settle(&stream)?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut said = Vec::new();
    stream.take(LONGEST_HEAD as u64).read_to_end(&mut said)?;
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default();
    if line.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(io::Error::other(format!("it answers `{line}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_answer() {
        for (line, status) in [
            ("GET / HTTP/1.1", 200),
            ("GET /healthz HTTP/1.0", 200),
            ("HEAD /healthz?full HTTP/1.1", 200),
            ("GET /other HTTP/1.1", 404),
            ("POST / HTTP/1.1", 405),
            ("GET /", 400),
            ("GET / HTTP/2", 400),
            ("", 400),
            ("GET  / HTTP/1.1", 400),
        ] {
            let head = format!("{line}\r\nHost: x\r\n\r\n");
            assert_eq!(respond(head.as_bytes()).status, status, "{line:?}");
        }
        assert_eq!(respond(b"\xff\xfe\r\n\r\n").status, 400);
    }

    #[test]
    fn head_tells_the_length_alone() {
        let bytes = respond(b"HEAD /healthz HTTP/1.1\r\n\r\n").bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("Content-Length: 3\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_head_without_an_end_is_bounded() {
        let mut endless = io::repeat(b'a');
        assert!(matches!(head(&mut endless), Ok(None)));
    }
}
