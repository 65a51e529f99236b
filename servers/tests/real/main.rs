//! Each real server starts, answers, keeps what it acknowledged when it is killed (where it promises that), and stops cleanly.
//!
//! A server that is not installed is listed as skipped. With `MYEVENTS_REQUIRE=all` it is installed, but a broker that no other
//! test of the repository needs yet (`Kind::NEEDED`) only with `TEST_SERVERS=all` or at full scale too: without those its test
//! here does nothing.

mod amqp;
mod dynamodb;
mod kafka;
mod life;
mod mongodb;
mod smtp;
mod sqs;
mod wire;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use myevents_servers::{Kind, Server, install, skip};

/// The server of a broker for this test, or none where it may be left out.
fn broker(test: &str, kind: Kind) -> Option<Server> {
    let all = std::env::var("TEST_SERVERS").is_ok_and(|value| value == "all") || skip::full_scale();
    if skip::required() && !all && !Kind::NEEDED.contains(&kind) && install::check(kind).is_err() {
        return None;
    }
    Server::start_or_skip(test, kind).unwrap()
}

/// What every server does. `check` looks for what was acknowledged before.
fn starts_again_where_it_was(server: &mut Server, check: impl Fn(&Server)) {
    let (port, url, pid) = (server.port(), server.url().to_owned(), server.pid().unwrap());
    assert!(server.is_running());
    assert!(url.contains(&port.to_string()));

    server.kill().unwrap();
    assert!(!server.is_running() && server.pid().is_none());
    assert!(!is_there(pid), "a killed process is waited for");
    server.kill().unwrap();
    server.restart().unwrap();
    assert!(server.is_running() && server.pid() != Some(pid));
    assert_eq!((server.port(), server.url()), (port, url.as_str()));
    check(server);

    let start = Instant::now();
    server.stop().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30) && !server.is_running());
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    check(server);
}

/// Kills it in the midst of writes, again and again. `write` makes the connection of one run, which writes one thing of this number
/// and answers once that is acknowledged; `count` tells how many there are.
fn kills_take_nothing_acknowledged<W>(
    mut server: Server,
    write: impl Fn(u16) -> W,
    count: impl Fn(&Server) -> usize,
) where
    W: FnMut(i32) -> std::io::Result<()> + Send + 'static,
{
    let kills = if skip::full_scale() { 50 } else { 4 };
    let (mut next, mut acknowledged) = (0, 0);
    for kill in 0..kills {
        let (said, heard) = mpsc::channel();
        let mut write = write(server.port());
        let writer = thread::spawn(move || {
            let mut id = next;
            while write(id).is_ok() {
                said.send(()).unwrap();
                id += 1;
            }
            // Of the last one nobody knows; its number is not used again.
            id + 1
        });
        // Not the same number each time, so that kills meet different moments.
        for _ in 0..100 + 37 * kill % 400 {
            heard.recv().unwrap();
            acknowledged += 1;
        }
        server.kill().unwrap();
        next = writer.join().unwrap();
        acknowledged += heard.try_iter().count();
        server.restart().unwrap();
        let stored = count(&server);
        assert!(
            (acknowledged..=acknowledged + kill + 1).contains(&stored),
            "{acknowledged} acknowledged, {stored} stored after kill {kill}"
        );
    }
}

/// Neither its process nor its folder.
fn leaves_nothing(server: Server) {
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists() && !is_there(pid));
}

/// Whether the process is there, waited for or not.
fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
