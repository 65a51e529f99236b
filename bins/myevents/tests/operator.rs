//! What an operator does when something went wrong: dead letters, parked messages, counters that are off, lost copies,
//! damaged files. Faults are planted in the files of the stopped program; all else goes through its front door.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use loadtest::program::{Program, Running};
use loadtest::service::{ask, event_body};
use rusqlite::{Connection, params};
use serde_json::json;

/// The booking service's projection gives up on it: the name is known, the body says nothing.
const BAD_BODY: &str = r#"{"id": 7}"#;

/// An event that only the planted message knows.
const EVENT: &str = "0123456789abcdef01234567";

fn new_program(data: &tempfile::TempDir) -> Program {
    Program::new(env!("CARGO_BIN_EXE_myevents"), data.path())
}

/// A command that must succeed: what it printed.
fn fine(program: &Program, arguments: &[&str]) -> String {
    let (fine, said) = program.command(arguments).unwrap();
    assert!(fine, "{arguments:?}: {said}");
    said
}

/// A command that must fail: what it printed.
fn refused(program: &Program, arguments: &[&str]) -> String {
    let (fine, said) = program.command(arguments).unwrap();
    assert!(!fine, "{arguments:?} succeeds: {said}");
    said
}

/// Runs a command again and again until it prints what is expected.
async fn until_it_says(program: &Program, arguments: &[&str], expected: &str) -> String {
    let start = Instant::now();
    loop {
        let said = fine(program, arguments);
        if said.contains(expected) {
            return said;
        }
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "{arguments:?} never says `{expected}`, but: {said}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn run_once(program: &Program) {
    program.start_ready().await.unwrap().stop().await.unwrap();
}

fn open(data: &tempfile::TempDir, file: &str) -> Connection {
    Connection::open(data.path().join(file)).unwrap()
}

/// Leaves a message in the outbox of the stopped event service.
fn leave_message(data: &tempfile::TempDir, id: &str, body: &[u8]) {
    let outbox = open(data, "eventservice.db");
    outbox
        .execute(
            "INSERT INTO outbox (entity, lease, written, message, name, time, body)
             VALUES (?1, 0, 0, ?2, 'event.created', 0, ?3)",
            params![EVENT, id, body],
        )
        .unwrap();
}

/// The body of an announcement of [`EVENT`], at least `bytes` long.
fn announcement(capacity: u64, bytes: usize) -> Vec<u8> {
    let body = json!({
        "id": EVENT, "name": "planted", "location_id": "", "capacity": capacity, "version": 1,
        "start_date": "2130-01-01T20:00:00Z", "end_date": "2130-01-01T22:00:00Z",
    });
    // Blanks behind a document are a part of it.
    let mut body = body.to_string().into_bytes();
    body.resize(bytes.max(body.len()), b' ');
    body
}

/// The only id that a list shows: the first word of its line about the message.
fn id_of(list: &str, message: &str) -> String {
    let line = list.lines().find(|line| line.contains(message)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

async fn availability(program: &Program, event: &str) -> u16 {
    let path = format!("/events/{event}/availability");
    ask(program.service.bookings, "GET", &path, None)
        .await
        .unwrap()
        .status
}

#[tokio::test]
async fn a_dead_letter_is_listed_sent_back_and_dropped() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    run_once(&program).await;
    leave_message(&data, "bad-message", BAD_BODY.as_bytes());

    let running = program.start_ready().await.unwrap();
    let list = until_it_says(&program, &["dead-letters", "list"], "1 dead letters").await;
    assert!(list.contains("event.created  1 tries  bad-message"), "{list}");
    let id = id_of(&list, "bad-message");
    assert!(id.starts_with("bookingservice/"), "{list}");

    // Nothing was mended: the running service takes it, fails again, and it is still one letter.
    let said = fine(&program, &["dead-letters", "resend", &id]);
    assert!(said.contains("1 marked"), "{said}");
    let list = until_it_says(&program, &["dead-letters", "list"], "2 tries").await;
    assert!(list.contains("1 dead letters"), "{list}");

    let said = refused(&program, &["dead-letters", "resend", "bookingservice/4711"]);
    assert!(said.contains("no dead letter has these ids"), "{said}");
    let said = refused(&program, &["dead-letters", "drop", "1"]);
    assert!(said.contains("does not say whose it is"), "{said}");
    let said = refused(&program, &["dead-letters", "drop"]);
    assert!(said.contains("Usage:"), "{said}");

    assert!(fine(&program, &["dead-letters", "drop", &id]).contains("1 deleted"));
    assert!(fine(&program, &["dead-letters", "list"]).contains("0 dead letters"));
    assert!(fine(&program, &["dead-letters", "drop", "--all"]).contains("0 deleted"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_whose_cause_is_gone_is_handled_when_sent_back() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    run_once(&program).await;
    leave_message(&data, "mended-message", BAD_BODY.as_bytes());
    let running = program.start_ready().await.unwrap();
    until_it_says(&program, &["dead-letters", "list"], "1 dead letters").await;
    running.stop().await.unwrap();

    let mended = announcement(5, 0);
    let letters = open(&data, "bookingservice.db");
    let changed = letters
        .execute("UPDATE dead_letters SET body = ?1", [mended])
        .unwrap();
    assert_eq!(changed, 1);
    drop(letters);

    let running = program.start_ready().await.unwrap();
    assert_eq!(
        availability(&program, EVENT).await,
        404,
        "nobody sent it back yet"
    );
    assert!(fine(&program, &["dead-letters", "resend", "--all"]).contains("1 marked"));
    program.service.wait_bookable(EVENT, 5).await.unwrap();
    until_it_says(&program, &["dead-letters", "list"], "0 dead letters").await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_is_parked_sent_again_or_dropped() {
    let data = tempfile::tempdir().unwrap();
    let mut program = new_program(&data);
    run_once(&program).await;
    leave_message(&data, "large-message", &announcement(7, 300_000));
    let other = "ff23456789abcdef01234567";
    leave_message(&data, "larger-message", &announcement(7, 900_000));
    let outbox = open(&data, "eventservice.db");
    outbox
        .execute(
            "UPDATE outbox SET entity = ?1 WHERE message = 'larger-message'",
            [other],
        )
        .unwrap();
    drop(outbox);

    let running = program.start_ready().await.unwrap();
    until_it_says(
        &program,
        &["outbox"],
        "eventservice: 0 waiting, the oldest for 0 s, 2 parked",
    )
    .await;
    let list = fine(&program, &["outbox", "parked"]);
    assert!(list.contains("event.created  large-message  "), "{list}");
    let (large, larger) = (id_of(&list, " large-message"), id_of(&list, "larger-message"));
    assert!(large.starts_with("eventservice/"), "{list}");
    let said = refused(&program, &["outbox", "resend", "eventservice/4711"]);
    assert!(said.contains("no parked message has these ids"), "{said}");
    // Parked messages hold up nothing.
    program.service.new_event("beside parked ones", 3).await.unwrap();
    running.stop().await.unwrap();

    program.environment = vec![("MYEVENTS_MAX_MESSAGE_BYTES".into(), "500000".into())];
    let running = program.start_ready().await.unwrap();
    assert!(fine(&program, &["outbox", "resend", &large]).contains("1 may be sent again"));
    program.service.wait_bookable(EVENT, 7).await.unwrap();
    assert!(fine(&program, &["outbox", "drop", &larger]).contains("1 deleted"));
    until_it_says(
        &program,
        &["outbox"],
        "eventservice: 0 waiting, the oldest for 0 s, 0 parked",
    )
    .await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_counter_that_is_off_is_found_and_set_right() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("off by two", 10).await.unwrap();
    let path = format!("/events/{event}/bookings");
    let booked = ask(
        program.service.bookings,
        "POST",
        &path,
        Some(&json!({"seats": 3})),
    )
    .await;
    assert_eq!(booked.unwrap().status, 201);
    running.stop().await.unwrap();

    let changed = open(&data, "bookingservice.db")
        .execute(
            "UPDATE inventory SET sold = sold + 2, available = available - 2",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let said = refused(&program, &["check-store"]);
    assert!(
        said.contains(&format!("counter of event {event} is off by 2")),
        "{said}"
    );

    let running = program.start_ready().await.unwrap();
    assert_eq!(program.service.availability(&event).await.unwrap(), (10, 5));
    let said = refused(&program, &["reconcile"]);
    let expected = format!("{event}: off by 2: sold 5, confirmed bookings hold 3");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("1 counters checked, 1 off"), "{said}");
    let said = fine(&program, &["reconcile", "--repair"]);
    assert!(said.contains("1 off, repaired"), "{said}");
    assert!(fine(&program, &["reconcile"]).contains("1 counters checked, 0 off"));
    assert_eq!(program.service.availability(&event).await.unwrap(), (10, 7));
    assert!(fine(&program, &["check-store"]).contains("bookingservice: sound"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_copy_of_the_events_comes_back_by_republishing() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    let running = program.start_ready().await.unwrap();
    let first = program.service.new_event("first", 4).await.unwrap();
    let second = program.service.new_event("second", 5).await.unwrap();
    let mut body = event_body("far away", 6);
    let start = body["StartDate"].as_i64().unwrap() + 365 * 86_400;
    (body["StartDate"], body["EndDate"]) = (start.into(), (start + 3_600).into());
    let made = ask(program.service.events, "POST", "/events", Some(&body))
        .await
        .unwrap();
    let far = made.json().unwrap()["ID"].as_str().unwrap().to_owned();
    program.service.wait_bookable(&far, 6).await.unwrap();
    running.stop().await.unwrap();

    for suffix in ["", "-wal", "-shm"] {
        // All but the first may be gone after a clean stop.
        let _gone = std::fs::remove_file(data.path().join(format!("bookingservice.db{suffix}")));
    }
    let running = program.start_ready().await.unwrap();
    for event in [&first, &second, &far] {
        assert_eq!(availability(&program, event).await, 404);
    }
    let said = fine(&program, &["republish", "--event", &second]);
    assert!(said.contains("1 events will be announced"), "{said}");
    program.service.wait_bookable(&second, 5).await.unwrap();
    assert_eq!(availability(&program, &first).await, 404);

    let said = fine(&program, &["republish", "--since", &(start - 10).to_string()]);
    assert!(said.contains("1 events will be announced"), "{said}");
    program.service.wait_bookable(&far, 6).await.unwrap();
    assert_eq!(availability(&program, &first).await, 404);

    let said = fine(&program, &["republish", "--since", "2020-01-31T20:00:00Z"]);
    assert!(said.contains("3 events will be announced"), "{said}");
    program.service.wait_bookable(&first, 4).await.unwrap();

    let said = refused(&program, &["republish", "--since", "tomorrow"]);
    assert!(said.contains("`tomorrow` is no time"), "{said}");
    let said = refused(&program, &["republish", "--event", EVENT]);
    assert!(said.contains(EVENT), "{said}");

    // One whose message is above the limit by now is passed over, told, and in the exit code; the others are announced.
    let long = "long".repeat(100);
    let long = program.service.new_event(&long, 7).await.unwrap();
    let mut strict = program.beside();
    strict
        .environment
        .push(("MYEVENTS_MAX_MESSAGE_BYTES".into(), "1000".into()));
    let said = refused(&strict, &["republish"]);
    assert!(said.contains("3 events will be announced"), "{said}");
    assert!(said.contains(&format!("{long}: passed over")), "{said}");
    assert!(said.contains("1 events were passed over"), "{said}");
    let said = refused(&strict, &["republish", "--event", &long]);
    assert!(said.contains("above the 1000 allowed"), "{said}");
    assert!(fine(&program, &["outbox", "depth"]).contains(" 0 parked"));
    running.stop().await.unwrap();
}

/// Overwrites the middle of a file, so that its header still looks sound.
fn damage(file: &Path) {
    let mut file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    let length = file.metadata().unwrap().len();
    // The first page holds the list of tables: without it the file could not even be opened.
    file.seek(SeekFrom::Start(4_096)).unwrap();
    let rest = usize::try_from(length - 4_096).unwrap();
    file.write_all(&vec![0x5A; rest]).unwrap();
}

#[tokio::test]
async fn a_file_damaged_in_the_middle_is_told_by_check_store() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    let running: Running = program.start_ready().await.unwrap();
    program.service.new_event("damaged", 10).await.unwrap();
    running.stop().await.unwrap();
    assert!(fine(&program, &["check-store"]).contains("eventservice: sound"));
    damage(&data.path().join("bookingservice.db"));
    let said = refused(&program, &["check-store"]);
    assert!(said.contains("bookingservice"), "{said}");
    assert!(said.contains("damaged") || said.contains("malformed"), "{said}");
}

#[tokio::test]
async fn nothing_is_restored_under_a_running_service_or_from_an_empty_folder() {
    let data = tempfile::tempdir().unwrap();
    let program = new_program(&data);
    let running = program.start_ready().await.unwrap();
    let kept = program.service.new_event("kept", 5).await.unwrap();
    let backup = data.path().join("backup");
    let backup = backup.to_str().unwrap();
    fine(&program, &["backup", backup]);
    let later = program.service.new_event("later", 5).await.unwrap();
    let said = refused(&program, &["restore", backup]);
    assert!(said.contains("a service already runs on this database"), "{said}");
    assert_eq!(availability(&program, &later).await, 200);
    running.stop().await.unwrap();

    let empty = data.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let said = refused(&program, &["restore", empty.to_str().unwrap()]);
    assert!(said.contains("empty"), "{said}");
    let running = program.start_ready().await.unwrap();
    for event in [&kept, &later] {
        assert_eq!(
            availability(&program, event).await,
            200,
            "a refused restore changes nothing"
        );
    }
    running.stop().await.unwrap();
}
