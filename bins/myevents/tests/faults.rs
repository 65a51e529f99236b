//! The disk and the files go wrong under the real program: a clear message, nothing lost, service again when the cause is gone.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::check::check;
use loadtest::program::{Program, Running};
use loadtest::service::ask;
use loadtest::tally::{Accepted, Tally};
use myevents_servers::skip::skip;

/// A mounted file system, unmounted at the end.
#[derive(Debug)]
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, with the reason noted, where this machine does not let us mount.
    fn new(test: &str, arguments: &[&str], at: &Path) -> Option<Self> {
        let output = Command::new("mount").args(arguments).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                skip(
                    test,
                    &format!("mount: {}", String::from_utf8_lossy(&output.stderr).trim()),
                );
                None
            }
            Err(error) => {
                skip(test, &format!("mount: {error}"));
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(status.success(), "mount -o {options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep it.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn order(event: &str, number: usize) -> Order {
    Order {
        event: event.to_owned(),
        seats: 1,
        key: format!("fault-order-{number:010}"),
        ..Order::default()
    }
}

/// Books once, without repeating.
async fn book_once(booker: &mut Booker, event: &str, number: usize) -> Outcome {
    booker.book(&order(event, number), Instant::now()).await
}

fn accept(tally: &mut Tally, outcome: Outcome) {
    match outcome {
        Outcome::Booked { id } => tally.accepted.push(Accepted {
            event: 0,
            id,
            seats: 1,
            cancelled: false,
        }),
        other => panic!("not booked: {other:?}"),
    }
}

/// Whether the log names it, which is written beside the answer.
async fn names_a_full_disk(running: &Running) -> bool {
    tokio::time::timeout(Duration::from_secs(2), running.log_with("full"))
        .await
        .is_ok()
}

#[tokio::test]
async fn a_full_disk_refuses_for_now_and_loses_nothing() {
    let at = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new("disk full", &["-t", "tmpfs", "-o", "size=3m", "tmpfs"], at.path()) else {
        return;
    };
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), at.path());
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("full disk", 1_000_000).await.unwrap();
    let mut booker = Booker::new(program.service.bookings);
    let mut tally = Tally::default();

    let (mut next, mut held_up) = (0, 0);
    let refused = loop {
        match book_once(&mut booker, &event, next).await {
            Outcome::Unknown { last } if names_a_full_disk(&running).await => break last,
            // A machine that was held up for a moment: the same order again.
            Outcome::Unknown { last } => {
                held_up += 1;
                assert!(
                    held_up < 20,
                    "{last}, and the log names no cause:\n{}",
                    running.log()
                );
                continue;
            }
            booked => accept(&mut tally, booked),
        }
        next += 1;
        assert!(next < 100_000, "3 MiB never fill up");
    };
    assert!(
        refused.starts_with("503"),
        "a full disk is a refusal for now: {refused}"
    );
    let (capacity, available) = program.service.availability(&event).await.unwrap();
    assert_eq!(
        capacity - available,
        i64::try_from(tally.accepted.len()).unwrap(),
        "reading goes on, and nothing half is kept"
    );

    disk.remount("size=64m");
    // The same order, repeated, goes through now; so do new ones.
    for number in next..next + 20 {
        let outcome = booker
            .book(&order(&event, number), Instant::now() + Duration::from_secs(10))
            .await;
        accept(&mut tally, outcome);
    }
    let findings = check(&program.service, &[event], &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(
        findings.faults.is_empty(),
        "{:#?}\n{}",
        findings.faults,
        running.log()
    );
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_read_only_disk_is_named_at_the_start() {
    let (store, at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = store.path().to_str().unwrap();
    let Some(disk) = Mounted::new("read-only disk", &["--bind", from], at.path()) else {
        return;
    };
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), at.path());
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("read only", 10).await.unwrap();
    let mut tally = Tally::default();
    let mut booker = Booker::new(program.service.bookings);
    accept(&mut tally, book_once(&mut booker, &event, 0).await);
    running.stop().await.unwrap();

    disk.remount("bind,ro");
    let mut refused = program.start().unwrap();
    let status = refused.wait(Duration::from_secs(60)).await.unwrap();
    let log = refused.log();
    assert!(!status.success());
    assert!(
        log.to_lowercase().replace('-', "").contains("readonly"),
        "the message names the cause:\n{log}"
    );
    assert!(
        log.contains(at.path().to_str().unwrap()),
        "the message names the place:\n{log}"
    );

    disk.remount("bind,rw");
    let running = program.start_ready().await.unwrap();
    let findings = check(&program.service, &[event], &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_corrupted_file_is_named_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("corrupted", 10).await.unwrap();
    let mut tally = Tally::default();
    accept(
        &mut tally,
        book_once(&mut Booker::new(program.service.bookings), &event, 0).await,
    );
    running.stop().await.unwrap();
    let (sound, said) = program.command(&["check-store"]).unwrap();
    assert!(sound, "{said}");

    let file = data.path().join("bookingservice.db");
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[..200].fill(0x5A);
    fs::write(&file, &bad).unwrap();
    let mut refused = program.start().unwrap();
    let status = refused.wait(Duration::from_secs(60)).await.unwrap();
    assert!(!status.success());
    assert!(
        refused.log().contains("bookingservice.db"),
        "the message names the file:\n{}",
        refused.log()
    );
    let (sound, said) = program.command(&["check-store"]).unwrap();
    assert!(!sound, "check-store finds nothing wrong: {said}");
    assert_eq!(
        fs::read(&file).unwrap(),
        bad,
        "a file that cannot be read is not overwritten"
    );

    fs::write(&file, &good).unwrap();
    let running = program.start_ready().await.unwrap();
    let findings = check(&program.service, &[event], &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_service_on_the_same_files_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("two services", 10).await.unwrap();

    let mut second = program.beside().start().unwrap();
    let status = second.wait(Duration::from_secs(60)).await.unwrap();
    let log = second.log();
    assert!(!status.success());
    assert!(
        log.contains(data.path().to_str().unwrap()),
        "the message names the place:\n{log}"
    );
    assert!(
        log.to_lowercase().contains("already runs"),
        "the message names the cause:\n{log}"
    );

    let mut tally = Tally::default();
    accept(
        &mut tally,
        book_once(&mut Booker::new(program.service.bookings), &event, 0).await,
    );
    let findings = check(&program.service, &[event], &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sub_commands_and_a_busy_file_do_not_stop_bookings() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), data.path());
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("busy", 1_000_000).await.unwrap();
    let mut tally = Tally::default();
    let mut booker = Booker::new(program.service.bookings);

    // Another program holds the file's write lock for a while, as a slow sub-command would.
    let other = rusqlite::Connection::open(data.path().join("bookingservice.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (address, wanted) = (program.service.bookings, event.clone());
    let waiting = tokio::spawn(async move {
        Booker::new(address)
            .book(&order(&wanted, 0), Instant::now() + Duration::from_secs(60))
            .await
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(
        !waiting.is_finished(),
        "nothing can be stored while another holds the lock"
    );
    other.execute_batch("ROLLBACK").unwrap();
    accept(&mut tally, waiting.await.unwrap());

    for number in 1..40 {
        accept(
            &mut tally,
            booker
                .book(&order(&event, number), Instant::now() + Duration::from_secs(20))
                .await,
        );
        if number % 10 == 0 {
            for command in ["reconcile", "outbox", "check-store"] {
                let (good, said) = program.command(&[command]).unwrap();
                assert!(good, "{command}: {said}");
            }
        }
    }
    let backup = data.path().join("copy");
    let (good, said) = program.command(&["backup", backup.to_str().unwrap()]).unwrap();
    assert!(good, "backup: {said}");
    let answer = ask(program.service.bookings, "GET", "/readyz", None)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let findings = check(&program.service, &[event], &tally, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    running.stop().await.unwrap();
}
