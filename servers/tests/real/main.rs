//! Each real server starts, answers, keeps what it acknowledged when it is killed (where it promises that), and stops cleanly.
//!
//! The two stores run always, if they are installed. The four brokers' servers take most of a minute, so they run only with
//! `TEST_SERVERS=all` or at full scale; without that they are listed as skipped.

mod dynamodb;
mod mongodb;
mod wire;

use std::time::{Duration, Instant};

use myevents_servers::{Kind, Server};

/// What every server does, whatever it speaks. `work` acknowledges something and answers how to check for it.
fn starts_again_where_it_was(server: &mut Server, after: impl Fn(&Server)) {
    let (port, url, pid) = (server.port(), server.url().to_owned(), server.pid().unwrap());
    assert!(server.is_running());
    assert!(url.contains(&port.to_string()));

    server.kill().unwrap();
    assert!(!server.is_running() && server.pid().is_none());
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "a killed process is waited for"
    );
    server.kill().unwrap();
    server.restart().unwrap();
    assert!(server.is_running() && server.pid() != Some(pid));
    assert_eq!((server.port(), server.url()), (port, url.as_str()));
    after(server);

    let start = Instant::now();
    server.stop().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30) && !server.is_running());
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    after(server);
}

/// The server leaves neither its process nor its folder.
fn leaves_nothing(server: Server) {
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
