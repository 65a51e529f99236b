//! The answer to who waited for a turn too long, without the work of a request: its bytes are taken and thrown away.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Context;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Of what a client sent, so much is taken; who sent more loses the connection, and may lose the answer with it.
const TAKEN: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

const BODY: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"too many clients at once; nothing was done, repeat it with the same Idempotency-Key"}"#;

/// So much of a request shows whether it is a probe.
pub(super) const PROBE: usize = 14;

/// What shall become of a connection whose request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It ends.
    Close,
    /// It can be used on, if exactly one request was there and its client wants that.
    Keep,
}

/// Answers 503. `true` where the connection can be used on.
pub(super) fn refuse(stream: &mut TcpStream, context: &mut Context<'_>, afterwards: Afterwards) -> bool {
    let mut taken = [MaybeUninit::uninit(); TAKEN];
    let mut taken = ReadBuf::uninit(&mut taken);
    // What can't be read shows below. After a short read `poll_read` knows that there is no more; after `try_read` the next look
    // would ask the system.
    let _polled = Pin::new(&mut *stream).poll_read(context, &mut taken);
    let kept = afterwards == Afterwards::Keep && is_one_request(taken.filled());
    let connection = if kept { "keep-alive" } else { "close" };
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 2\r\nconnection: {connection}\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    // It may have gone.
    stream
        .try_write(answer.as_bytes())
        .is_ok_and(|length| length == answer.len())
        && kept
}

/// Whether a supervisor asks, who must not take a crowd for a program that hangs.
pub(super) fn is_probe(start: &[u8]) -> bool {
    [&b"GET /healthz "[..], b"GET /readyz "]
        .iter()
        .any(|probe| start.starts_with(probe))
}

/// Whether these bytes are one request and nothing else, after which its client takes another answer on the connection.
fn is_one_request(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(bytes) else {
        return false;
    };
    // HEAD has no body in its answer.
    if request.version != Some(1) || request.method == Some("HEAD") {
        return false;
    }
    let mut body = None;
    for header in request.headers.iter() {
        let name = header.name;
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-length") {
            let length: Option<usize> = std::str::from_utf8(header.value)
                .ok()
                .filter(|text| text.bytes().all(|digit| digit.is_ascii_digit()))
                .and_then(|text| text.parse().ok());
            if body.is_some() || length.is_none() {
                return false;
            }
            body = length;
        }
        let ends = is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive");
        if ends || is("transfer-encoding") || is("expect") || is("upgrade") {
            return false;
        }
    }
    head.checked_add(body.unwrap_or(0)) == Some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_request_keeps_its_connection() {
        for (text, whole) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true),
            (
                "GET / HTTP/1.1\r\nhost: a\r\nConnection: Keep-Alive\r\n\r\n",
                true,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", true),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", false),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcd", false),
            (
                "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
                false,
            ),
            ("POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\nabc", false),
            (
                "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
                false,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                false,
            ),
            ("POST / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", false),
            (
                "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
                false,
            ),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("HEAD / HTTP/1.1\r\n\r\n", false),
            (
                "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
                false,
            ),
            ("GET / HTTP/1.1\r\nhost", false),
            ("", false),
            ("\r\n\r\n", false),
        ] {
            assert_eq!(is_one_request(text.as_bytes()), whole, "{text:?}");
        }
    }
}
