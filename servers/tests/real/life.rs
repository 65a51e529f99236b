//! What is true of any server, shown with the quickest one: no server outlives its test, and a failure says why.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::*;

/// This test program with only one of its tests.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .stdin(Stdio::null());
    command
}

#[test]
fn a_killed_test_leaves_no_server() {
    const CHILD: &str = "SERVER_OF_A_KILLED_TEST";
    let test = "life::a_killed_test_leaves_no_server";
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start(Kind::Mongodb).unwrap();
        let said = format!(
            "\nstarted {} {}\n",
            server.pid().unwrap(),
            server.folder().display()
        );
        std::io::stdout().write_all(said.as_bytes()).unwrap();
        loop {
            thread::park();
        }
    }
    if install::check(Kind::Mongodb).is_err() && !skip::required() {
        skip::skip(test, "mongodb is not installed");
        return;
    }
    let mut child = again(test)
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("started "))
        .unwrap();
    let mut words = line.split(' ').skip(1);
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let folder = words.next().unwrap().to_owned();
    assert!(is_there(pid) && Path::new(&folder).exists());

    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while Path::new(&folder).exists() || runs(pid) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{pid} or {folder} is still there"
        );
        thread::yield_now();
    }
}

/// Whether it runs. Its starter is gone, so it may stay in the table of processes until somebody waits for it.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn what_is_not_installed_is_a_skip() {
    let place = tempfile::tempdir().unwrap();
    let list = place.path().join("skipped");
    let output = again("mongodb::starts_and_keeps_its_data")
        .env("XDG_CACHE_HOME", place.path())
        .env(skip::FILE, &list)
        .env_remove("MYEVENTS_REQUIRE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let list = fs::read_to_string(list).unwrap();
    assert!(
        list.contains("mongodb") && list.contains("is not installed (`cargo xtask backends up mongodb`"),
        "{list}"
    );
}

#[test]
fn a_server_that_cannot_start_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bson.mv"), "nothing that it wrote").unwrap();
    if install::check(Kind::Mongodb).is_err() && !skip::required() {
        skip::skip(
            "life::a_server_that_cannot_start_is_quoted",
            "mongodb is not installed",
        );
        return;
    }
    let error = format!(
        "{:#}",
        Server::start_in(Kind::Mongodb, folder.path()).unwrap_err()
    );
    assert!(
        error.contains("mongo-java-server") && error.contains("MVStoreException") && error.contains("ended"),
        "{error}"
    );
    assert!(
        folder.path().join("bson.mv").exists(),
        "a folder that was given stays"
    );
}
