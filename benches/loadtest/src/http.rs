//! A minimal HTTP/1.1 client: one connection, one request at a time, bodies with a length or in chunks.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// No answer within this time counts as a lost connection: longer than the service's own request timeout.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header lines, names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(each, _)| each == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON; the message shows the status and the body.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            anyhow::anyhow!(
                "{error} in the {} answer: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

/// The bytes of a request with a body of known length.
#[must_use]
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() || method != "GET" {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// One connection. After an error it is of no further use.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    open: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        Self::new(stream)
    }

    /// As [`Connection::open`], from this address of the machine's own. Who has many thousands of connections to one address
    /// needs several: the system searches long for the last free ports of one, and that search would be measured.
    ///
    /// # Errors
    /// As [`Connection::open`], and when the address is not the machine's.
    pub async fn open_from(source: Ipv4Addr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = timeout(PATIENCE, socket.connect(address)).await??;
        Self::new(stream)
    }

    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
            open: true,
        })
    }

    /// Whether the service keeps the connection for another request.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The socket, for tests that send half a request.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the connection breaks, the answer is no HTTP, or nothing comes within [`PATIENCE`]. What the service made of the
    /// request is then unknown.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.lean(request, true).await
    }

    /// As [`Connection::send`], with the headers left out of the answer: no allocation but the body.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_lean(&mut self, request: &[u8]) -> Result<Answer> {
        self.lean(request, false).await
    }

    async fn lean(&mut self, request: &[u8], keep_headers: bool) -> Result<Answer> {
        let exchange = async {
            self.stream.write_all(request).await?;
            self.answer(keep_headers).await
        };
        timeout(PATIENCE, exchange).await?
    }

    /// Waits for an answer without sending anything.
    ///
    /// # Errors
    /// When the connection ends before a whole answer came.
    pub async fn answer(&mut self, keep_headers: bool) -> Result<Answer> {
        self.buffer.clear();
        let (head, mut answer, length) = loop {
            if let Some(parsed) = parse_head(&self.buffer, keep_headers, &mut self.open)? {
                if parsed.1.status == 100 {
                    // "Continue" announces the real answer; it carries nothing by itself.
                    self.buffer.drain(..parsed.0);
                    continue;
                }
                break parsed;
            }
            self.fill().await?;
        };
        match length {
            Length::Known(length) => {
                while self.buffer.len() < head + length {
                    self.fill().await?;
                }
                answer.body = self.buffer[head..head + length].to_vec();
            }
            Length::Chunked => answer.body = self.chunks(head).await?,
        }
        Ok(answer)
    }

    async fn chunks(&mut self, mut at: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.buffer[at..]) {
                Ok(httparse::Status::Complete((head, size))) => {
                    let size = usize::try_from(size).map_err(|_| invalid("a chunk too big"))?;
                    let end = at + head + size + 2;
                    while self.buffer.len() < end {
                        self.fill().await?;
                    }
                    body.extend_from_slice(&self.buffer[at + head..at + head + size]);
                    at = end;
                    if size == 0 {
                        return Ok(body);
                    }
                }
                Ok(httparse::Status::Partial) => self.fill().await?,
                Err(_) => return Err(invalid("a broken chunk")),
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            self.open = false;
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

enum Length {
    Known(usize),
    Chunked,
}

/// The head's size, the answer without its body, and how long that is; `None` while the head is not complete.
fn parse_head(buffer: &[u8], keep: bool, open: &mut bool) -> Result<Option<(usize, Answer, Length)>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response
        .parse(buffer)
        .map_err(|error| invalid(&error.to_string()))?;
    let httparse::Status::Complete(size) = parsed else {
        return Ok(None);
    };
    let status = response.code.unwrap_or(0);
    let mut length = Length::Known(0);
    let mut kept = Vec::new();
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Length::Known(
                value
                    .trim()
                    .parse()
                    .map_err(|_| invalid("a broken content-length"))?,
            );
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            *open = false;
        }
        if keep {
            kept.push((header.name.to_ascii_lowercase(), value.into_owned()));
        }
    }
    if matches!(status, 100..=199 | 204 | 304) {
        length = Length::Known(0);
    }
    Ok(Some((
        size,
        Answer {
            status,
            headers: kept,
            body: Vec::new(),
        },
        length,
    )))
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each connection with these bytes, a few at a time, and closes it.
    async fn serve(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Closing with the request unread would reset the connection instead of ending it.
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            for piece in bytes.chunks(7) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    async fn answer_to(bytes: &'static [u8]) -> Result<Answer> {
        let mut connection = Connection::open(serve(bytes).await).await?;
        connection.send(&request("GET", "/", &[], b"")).await
    }

    #[tokio::test]
    async fn a_body_with_a_length_is_read_whole() {
        let answer = answer_to(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nETag: \"v1\"\r\n\r\nhello")
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (201, b"hello".as_slice())
        );
        assert_eq!(answer.header("etag"), Some("\"v1\""));
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        let bytes =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        assert_eq!(answer_to(bytes).await.unwrap().body, b"hello world");
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_an_error() {
        let error = answer_to(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
