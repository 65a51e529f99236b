//! The least that a test needs to talk to a server without a driver: a connection, an HTTP request.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that gives up rather than hang.
pub(crate) fn connect(port: u16) -> TcpStream {
    try_connect(port).unwrap()
}

fn try_connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// The status and the body of a POST.
pub(crate) fn post(port: u16, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    try_post(port, headers, body).unwrap()
}

/// As [`post`], for a server that may be killed meanwhile.
pub(crate) fn try_post(port: u16, headers: &[(&str, &str)], body: &str) -> Result<(u16, String)> {
    let mut request = format!("POST / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut stream = try_connect(port)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| Error::other("cut off"))?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| Error::other("no status"))?, body.to_owned()))
}
