//! `export` and `import` by the real program: what was moved serves as before, a broken move is completed, and what can't be
//! moved is said in words.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadtest::http::{Answer, Connection, request};
use loadtest::program::Program;
use loadtest::service::event_body;
use myevents_servers::skip::full_scale;
use rusqlite::params;
use serde_json::{Value, json};

fn new_program(data: &Path) -> Program {
    Program::new(env!("CARGO_BIN_EXE_myevents"), data)
}

fn fine(program: &Program, arguments: &[&str]) -> String {
    let (fine, said) = program.command(arguments).unwrap();
    assert!(fine, "{arguments:?}: {said}");
    said
}

fn refused(program: &Program, arguments: &[&str]) -> String {
    let (fine, said) = program.command(arguments).unwrap();
    assert!(!fine, "{arguments:?} succeeds: {said}");
    said
}

async fn send(program: &Program, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let bytes = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    connection
        .send(&request(method, path, &all, bytes.as_bytes()))
        .await
        .unwrap()
}

/// What a customer sees of an event: its document and version, who has what of it, what is left.
async fn seen(program: &Program, event: &str) -> (Value, Option<String>, Value, Value) {
    let document = send(program, "GET", &format!("/events/{event}"), &[], &Value::Null).await;
    let list = format!("/events/{event}/bookings?limit=1000");
    let bookings = send(program, "GET", &list, &[], &Value::Null).await;
    let left = format!("/events/{event}/availability");
    let left = send(program, "GET", &left, &[], &Value::Null).await;
    let tag = document.header("etag").map(str::to_owned);
    (
        document.json().unwrap(),
        tag,
        bookings.json().unwrap(),
        left.json().unwrap(),
    )
}

#[tokio::test]
async fn what_was_moved_serves_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let old = new_program(&folder.path().join("old"));
    let running = old.start_ready().await.unwrap();
    let event = old.service.new_event("moved", 10).await.unwrap();
    let mut body = event_body("moved and limited", 12);
    body["MaxSeatsPerPerson"] = 3.into();
    let changed = send(&old, "PUT", &format!("/events/{event}"), &[], &body).await;
    assert_eq!(changed.status, 200);
    old.service.wait_bookable(&event, 12).await.unwrap();
    let user = send(
        &old,
        "POST",
        "/users",
        &[],
        &json!({"First": "Ada", "Last": "L", "Age": 36}),
    )
    .await;
    let user = user.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let path = format!("/events/{event}/bookings");
    let key = [("idempotency-key", "0d2f9c1e-8d2a-4b43-a9b7-5f1f7a1f0001")];
    let order = json!({"seats": 2, "userId": user, "name": "Ada \"\u{202e}x", "email": "ada@example.org"});
    let booked = send(&old, "POST", &path, &key, &order).await;
    assert_eq!(booked.status, 201);
    let booking = booked.json().unwrap();
    let other = send(
        &old,
        "POST",
        &path,
        &[],
        &json!({"seats": 1, "email": "b@example.org"}),
    )
    .await;
    let cancel = format!("/bookings/{}", other.json().unwrap()["ID"].as_str().unwrap());
    assert_eq!(send(&old, "DELETE", &cancel, &[], &Value::Null).await.status, 204);
    let before = seen(&old, &event).await;
    assert_eq!(before.3["Available"], 10);
    running.stop().await.unwrap();

    let file = folder.path().join("all.jsonl");
    let file = file.to_str().unwrap();
    let said = fine(&old, &["export", "--output", file]);
    assert!(
        said.contains("bookingservice: 2 booking, 1 copy, 1 counter"),
        "{said}"
    );
    assert!(said.contains("keep it as safe as them"), "{said}");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(&old, &["export", "--output", file]).contains("is there already"));

    let new = new_program(&folder.path().join("new"));
    let said = fine(&new, &["import", "--input", file]);
    assert!(said.contains("every counter agrees with its bookings"), "{said}");
    let running = new.start_ready().await.unwrap();
    assert_eq!(seen(&new, &event).await, before);
    let tag = before.1.unwrap();
    let unchanged = send(
        &new,
        "GET",
        &format!("/events/{event}"),
        &[("if-none-match", &tag)],
        &Value::Null,
    )
    .await;
    assert_eq!(unchanged.status, 304);
    // A retry under the key finds the booking made before the move.
    let again = send(&new, "POST", &path, &key, &order).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(again.json().unwrap()["ID"], booking["ID"]);
    // What the person has counts.
    let more = send(&new, "POST", &path, &[], &json!({"seats": 2, "userId": user})).await;
    assert_eq!(more.status, 409, "{:?}", more.json());
    assert!(
        more.json().unwrap()["type"]
            .as_str()
            .unwrap()
            .ends_with("limit-reached")
    );
    // The next version is announced and taken.
    let body = event_body("moved twice", 15);
    let changed = send(
        &new,
        "PUT",
        &format!("/events/{event}"),
        &[("if-match", &tag)],
        &body,
    )
    .await;
    assert_eq!(changed.status, 200, "{:?}", changed.json());
    new.service.wait_bookable(&event, 15).await.unwrap();
    assert_eq!(new.service.availability(&event).await.unwrap(), (15, 13));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn messages_that_wait_are_not_forgotten_silently() {
    let folder = tempfile::tempdir().unwrap();
    let program = new_program(folder.path());
    program.start_ready().await.unwrap().stop().await.unwrap();
    let outbox = rusqlite::Connection::open(folder.path().join("eventservice.db")).unwrap();
    outbox
        .execute(
            "INSERT INTO outbox (entity, lease, written, message, name, time, body)
             VALUES ('00ff', 0, 0, 'waits', 'event.created', 0, ?1)",
            params![b"{}".as_slice()],
        )
        .unwrap();
    let file = folder.path().join("all.jsonl");
    let said = refused(&program, &["export", "--output", file.to_str().unwrap()]);
    assert!(said.contains("store: eventservice, waiting: 1"), "{said}");
    assert!(said.contains("until `outbox` shows 0 waiting"), "{said}");
    assert!(said.contains("--without-messages"), "{said}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().contains("jsonl")),
        "{left:?}"
    );
    let said = fine(&program, &["export", "--without-messages"]);
    assert!(said.contains("1 waiting messages are not in the file"), "{said}");
    assert!(said.contains("{\"end\":true"), "{said}");
}

#[tokio::test]
async fn an_import_needs_an_empty_place_without_a_service_and_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let old = new_program(&folder.path().join("old"));
    let running = old.start_ready().await.unwrap();
    let event = old.service.new_event("only one", 10).await.unwrap();
    let path = folder.path().join("all.jsonl");
    let file = path.to_str().unwrap();
    // Nothing is written at the moment, so an export beside the service is whole.
    fine(&old, &["export", "--output", file]);
    let said = refused(&old, &["import", "--input", file]);
    assert!(said.contains("a service already runs on this database"), "{said}");
    running.stop().await.unwrap();

    let full = new_program(&folder.path().join("full"));
    let running = full.start_ready().await.unwrap();
    let own = full.service.new_event("somebody else's", 10).await.unwrap();
    running.stop().await.unwrap();
    let said = refused(&full, &["import", "--input", file]);
    assert!(said.contains("the store is not empty"), "{said}");
    assert!(
        said.contains("name an empty store by --data or dbconnection"),
        "{said}"
    );
    let (_, list) = full.command(&["export"]).unwrap();
    assert!(list.contains(&own) && !list.contains(&event), "{list}");

    let whole = fs::read_to_string(file).unwrap();
    let bad = folder.path().join("bad.jsonl");
    let bad_file = bad.to_str().unwrap();
    let new = new_program(&folder.path().join("new"));
    let broken = whole.replace("\"duration\":120", "\"duration\":-120");
    fs::write(&bad, &broken).unwrap();
    let said = refused(&new, &["import", "--input", bad_file]);
    assert!(said.contains("line 2: Duration is not within"), "{said}");
    assert!(said.contains("line 4: Duration is not within"), "{said}");
    assert!(
        said.contains("2 lines can't be taken; nothing was stored"),
        "{said}"
    );
    fs::write(&bad, &whole[..whole.len() - 2]).unwrap();
    let said = refused(&new, &["import", "--input", bad_file]);
    assert!(said.contains("line 6: the last line can't be read"), "{said}");
    let cut = whole.lines().take(2).collect::<Vec<_>>().join("\n");
    fs::write(&bad, cut).unwrap();
    let said = refused(&new, &["import", "--input", bad_file]);
    assert!(said.contains("line 2: the file was cut"), "{said}");
    let said = refused(&new, &["import", "--input", "no-such-file"]);
    assert!(said.contains("can't read no-such-file"), "{said}");
    assert!(
        !folder.path().join("new").exists(),
        "a refused file makes no store"
    );

    // A stream can't be read twice: what can be taken is, and the rest is said.
    let (ok, said) = piped(&new, &broken);
    assert!(!ok && said.contains("line 2: Duration"), "{said}");
    assert!(said.contains("the stores are not complete"), "{said}");
    let (ok, said) = piped(&new, &whole);
    assert!(ok, "{said}");
    let running = new.start_ready().await.unwrap();
    assert_eq!(new.service.availability(&event).await.unwrap(), (10, 10));
    running.stop().await.unwrap();
}

/// `import` of this text on standard input.
fn piped(program: &Program, text: &str) -> (bool, String) {
    let mut child = begin_import(program, "-", Stdio::piped());
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn begin_import(program: &Program, file: &str, input: Stdio) -> Child {
    Command::new(&program.binary)
        .args(["import", "--input", file, "--data"])
        .arg(&program.data)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// An export as another store would have written it: events with bookings, in a file.
fn write_large(path: &Path, events: u64, bookings: u64) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    let secret = "07".repeat(32);
    writeln!(
        file,
        r#"{{"format":"myevents-export","version":1,"stores":[{{"role":"bookingservice","kind":"sqlite","id_secret":"{secret}"}}]}}"#
    )
    .unwrap();
    let print = "ab".repeat(16);
    for event in 0..events {
        let id = format!("{event:024x}");
        writeln!(
            file,
            r#"{{"store":"bookingservice","kind":"copy","record":{{"event":{{"id":"{id}","name":"event {event}","duration":90,"start":{event},"end":{event},"cancelled":false,"version":3,"fingerprint":"{print}"}},"capacity":1000000}}}}"#
        )
        .unwrap();
        let mut lines = String::new();
        for booking in 0..bookings {
            let booking = event * bookings + booking;
            writeln!(
                lines,
                r#"{{"store":"bookingservice","kind":"booking","record":{{"id":"{booking:024x}","event":"{id}","name":"somebody","seats":2,"date":{booking},"state":"confirmed","version":1,"fingerprint":"{print}"}}}}"#
            )
            .unwrap();
        }
        file.write_all(lines.as_bytes()).unwrap();
        let sold = 2 * bookings;
        writeln!(
            file,
            r#"{{"store":"bookingservice","kind":"counter","record":{{"event":"{id}","capacity":1000000,"sold":{sold},"held":0,"confirmed":{sold}}}}}"#
        )
        .unwrap();
    }
    let all = events * bookings;
    writeln!(
        file,
        r#"{{"end":true,"counts":{{"bookingservice":{{"booking":{all},"copy":{events},"counter":{events}}}}}}}"#
    )
    .unwrap();
    file.flush().unwrap();
}

/// The most memory the process ever had, in KiB; `None` once it is gone.
fn peak_kib(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Waits for the end; answers whether it went well, what was said, and the peak of its memory.
fn watched(mut child: Child) -> (bool, String, u64) {
    let mut peak = 0;
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let said = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap().len());
    let told = std::thread::spawn(move || std::io::read_to_string(&mut err).unwrap());
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_kib(&child).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait().unwrap();
    let told = format!("{} bytes; {}", said.join().unwrap(), told.join().unwrap());
    (status.success(), told, peak)
}

#[test]
fn a_move_that_was_killed_is_completed_and_takes_little_memory() {
    let (events, bookings) = if full_scale() { (400, 1_000) } else { (20, 1_500) };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.jsonl");
    write_large(&file, events, bookings);
    let text = file.to_str().unwrap();
    let program = new_program(&folder.path().join("moved"));
    // Killed again and again, later each time.
    let mut at_work = 0;
    for round in 1..=8 {
        let mut child = begin_import(&program, text, Stdio::null());
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(60 * round) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        at_work += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(at_work > 0, "every import had ended before it was killed");
    let (ok, said, peak) = watched(begin_import(&program, text, Stdio::null()));
    assert!(ok, "{said}");
    assert!(peak < 96 * 1024, "the import took {peak} KiB");
    let said = fine(&program, &["reconcile"]);
    assert!(
        said.contains(&format!("{events} counters checked, 0 off")),
        "{said}"
    );

    let export = Command::new(&program.binary)
        .args(["export", "--output", "-", "--data"])
        .arg(&program.data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (ok, said, peak) = watched(export);
    assert!(ok, "{said}");
    assert!(said.contains(&format!("{} booking", events * bookings)), "{said}");
    assert!(peak < 96 * 1024, "the export took {peak} KiB");
}
