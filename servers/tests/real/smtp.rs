//! The mail server: what it said 250 to is written down, also over a kill.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use myevents_servers::{Kind, Server};

use crate::{broker, leaves_nothing, starts_again_where_it_was};

/// One mail from its greeting to its end; the answers' codes.
fn mail(port: u16, to: &str) -> Vec<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    let mut codes = Vec::new();
    let recipient = format!("RCPT TO:<{to}>");
    let lines = [
        "HELO test",
        "MAIL FROM:<a@example.org>",
        &recipient,
        "DATA",
        "Subject: hello\r\n\r\nhello\r\n.",
    ];
    for line in lines.into_iter().map(Some).chain([None]) {
        let answer = answers.next().unwrap().unwrap();
        codes.push(answer[..3].to_owned());
        let said_no = answer.starts_with(['4', '5']);
        match line.filter(|_| !said_no) {
            Some(line) => stream.write_all(format!("{line}\r\n").as_bytes()).unwrap(),
            None => break,
        }
    }
    codes
}

fn kept(server: &Server) -> usize {
    let file = server.folder().join("mails.jsonl");
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn smtp_starts_takes_refuses_and_keeps() {
    let Some(mut server) = broker("smtp starts_takes_refuses_and_keeps", Kind::Smtp) else {
        return;
    };
    let port = server.port();
    let all_good = ["220", "250", "250", "250", "354", "250"];
    assert_eq!(mail(port, "b@example.org"), all_good);
    assert_eq!(mail(port, "refused@example.org"), ["220", "250", "250", "550"]);
    assert_eq!(mail(port, "later@example.org"), ["220", "250", "250", "450"]);
    assert_eq!(mail(port, "later@example.org"), all_good);
    assert_eq!(mail(port, "hidden@example.org")[5], "554");
    assert_eq!(kept(&server), 2);
    starts_again_where_it_was(&mut server, |server| assert_eq!(kept(server), 2));
    leaves_nothing(server);
}
