//! mongo-java-server: an insert that it acknowledged is there after any number of kills.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// A document of whole numbers and texts.
#[derive(Default)]
struct Document(Vec<u8>);

impl Document {
    fn number(mut self, name: &str, value: i32) -> Self {
        self.0.push(0x10);
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn text(mut self, name: &str, value: &str) -> Self {
        self.0.push(0x02);
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.0
            .extend_from_slice(&i32::try_from(value.len() + 1).unwrap().to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(0);
        self
    }

    fn list(mut self, name: &str, only: Self) -> Self {
        self.0.push(0x04);
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        let mut item = vec![0x03, b'0', 0];
        item.extend_from_slice(&only.bytes());
        self.0.extend_from_slice(&Self(item).bytes());
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = i32::try_from(self.0.len() + 5).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.0);
        bytes.push(0);
        bytes
    }
}

/// The answer's bytes; an error when the connection breaks.
fn command(stream: &mut TcpStream, document: Document) -> std::io::Result<Vec<u8>> {
    let body = [&[0; 5][..], &document.text("$db", "kills").bytes()].concat();
    let mut message = Vec::new();
    for number in [i32::try_from(16 + body.len()).unwrap(), 1, 0, 2013] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.extend_from_slice(&body);
    stream.write_all(&message)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut rest = vec![0; usize::try_from(i32::from_le_bytes(length)).unwrap() - 4];
    stream.read_exact(&mut rest)?;
    Ok(rest)
}

/// The number `n` of an answer, where it is a whole one of 32 bits.
fn n(answer: &[u8]) -> i32 {
    let at = answer.windows(3).position(|bytes| bytes == b"\x10n\0");
    let at = at.unwrap_or_else(|| panic!("no n in {}", String::from_utf8_lossy(answer))) + 3;
    i32::from_le_bytes(answer[at..at + 4].try_into().unwrap())
}

fn insert(stream: &mut TcpStream, id: i32) -> std::io::Result<()> {
    let document = Document::default()
        .text("insert", "acknowledged")
        .list("documents", Document::default().number("_id", id));
    let answer = command(stream, document)?;
    assert_eq!(n(&answer), 1, "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

fn count(server: &Server) -> usize {
    let mut stream = wire::connect(server.port());
    let answer = command(&mut stream, Document::default().text("count", "acknowledged"));
    usize::try_from(n(&answer.unwrap())).unwrap()
}

#[test]
fn starts_and_keeps_its_data() {
    let Some(mut server) = Server::start_or_skip("mongodb starts_and_keeps_its_data", Kind::Mongodb).unwrap()
    else {
        return;
    };
    let mut stream = wire::connect(server.port());
    for id in 0..10 {
        insert(&mut stream, id).unwrap();
    }
    starts_again_where_it_was(&mut server, |server| assert_eq!(count(server), 10));
    leaves_nothing(server);
}

#[test]
fn a_kill_takes_no_acknowledged_insert() {
    let test = "mongodb a_kill_takes_no_acknowledged_insert";
    let Some(server) = Server::start_or_skip(test, Kind::Mongodb).unwrap() else {
        return;
    };
    let write = |port| {
        let mut stream = wire::connect(port);
        move |id| insert(&mut stream, id)
    };
    kills_take_nothing_acknowledged(server, write, count);
}
