//! `migrate mongodb` by the real program, from a database as the original left it: told beforehand, completed after kills,
//! done once, into files and into the original's own database.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::send;
use loadtest::program::Program;
use loadtest::service::event_body;
use myevents_adapters::mongodb::mongodb::bson::oid::ObjectId;
use myevents_adapters::mongodb::mongodb::bson::spec::BinarySubtype;
use myevents_adapters::mongodb::mongodb::bson::{Binary, Bson, Document, doc};
use myevents_adapters::mongodb::mongodb::{Client, Collection, Database};
use myevents_servers::{Kind, Server};
use serde_json::Value;

const EVENTS: u32 = 120;
const USERS: u32 = 300;
/// Each user's bookings, one a seat, over the events in turn.
const BOOKINGS: u32 = 8;
/// Of the two halls of each event.
const CAPACITY: i64 = 500;

async fn server(test: &'static str) -> Option<Server> {
    let started = tokio::task::spawn_blocking(move || Server::start_or_skip(test, Kind::Mongodb));
    started.await.unwrap().unwrap()
}

/// An id of 12 bytes, of a kind of record.
fn oid(kind: u8, number: u32) -> ObjectId {
    let mut bytes = [kind; 12];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn event(number: u32) -> Document {
    doc! {
        "_id": oid(1, number), "name": format!("opera {number}"), "duration": 120_i32,
        "startdate": 4_868_346_784_i64 + i64::from(number), "enddate": 4_868_353_984_i64 + i64::from(number),
        "location": {
            "_id": "", "name": "West Street Opera House", "address": "11 west street", "country": "U.S.A",
            "opentime": 7_i32, "closetime": 20_i32,
            "halls": [
                {"name": "Cesar hall", "location": "second floor", "capacity": 300_i32},
                {"name": "Nero hall", "location": "", "capacity": 200_i32},
            ],
        },
    }
}

/// One user of the original, whose bookings lie in the user.
fn user(number: u32) -> Document {
    let bookings: Vec<Bson> = (0..BOOKINGS)
        .map(|turn| {
            // As the original's driver wrote an id inside a booking.
            let event = Binary {
                subtype: BinarySubtype::Generic,
                bytes: oid(1, (number + turn) % EVENTS).bytes().to_vec(),
            };
            Bson::Document(doc! { "date": 700_000_000_i64, "eventid": event, "seats": 1_i32 })
        })
        .collect();
    doc! { "_id": oid(2, number), "first": "Ada", "last": format!("L{number}"), "age": 36_i32, "bookings": bookings }
}

async fn fill(url: &str) -> Database {
    let database = Client::with_uri_str(url).await.unwrap().database("myevents");
    let of = |name: &str| -> Collection<Document> { database.collection(name) };
    of("events").insert_many((0..EVENTS).map(event)).await.unwrap();
    let nameless = doc! { "_id": oid(1, 9_999), "name": "  ", "startdate": 1_i64, "enddate": 2_i64 };
    of("events").insert_one(nameless).await.unwrap();
    of("users").insert_many((0..USERS).map(user)).await.unwrap();
    let location = doc! { "_id": oid(3, 1), "name": "Opera", "address": "", "country": "", "opentime": 7_i32, "closetime": 20_i32, "halls": [{"name": "a", "location": "", "capacity": 5_i32}] };
    of("locations").insert_one(location).await.unwrap();
    database
}

async fn all_of(database: &Database, collection: &str) -> Vec<Document> {
    let records: Collection<Document> = database.collection(collection);
    let mut cursor = records.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
    let mut found = Vec::new();
    while cursor.advance().await.unwrap() {
        found.push(cursor.deserialize_current().unwrap());
    }
    found
}

fn fine(program: &Program, arguments: &[&str]) -> String {
    let (fine, said) = program.command(arguments).unwrap();
    assert!(fine, "{arguments:?}: {said}");
    said
}

fn says(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            said.lines().any(|found| found == *line),
            "`{line}` is not said:\n{said}"
        );
    }
}

/// Begins the command again and again and kills it, later each time; answers how often it was at work then.
fn killed(program: &Program, arguments: &[&str], rounds: u32) -> u32 {
    let mut at_work = 0;
    for round in 1..=rounds {
        let mut child = Command::new(&program.binary)
            .args(arguments)
            .arg("--data")
            .arg(&program.data)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(70) * round && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        at_work += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    at_work
}

/// What a customer sees of what was brought over, by a running program.
async fn serves(program: &Program) {
    let running = program.start_ready().await.unwrap();
    let id = oid(1, 7).to_hex();
    let found = send(program, "GET", &format!("/events/{id}"), &Value::Null).await;
    assert_eq!(found.status, 200);
    assert_eq!(found.json().unwrap()["Name"], "opera 7");
    let of_this = |user: u32| (0..BOOKINGS).filter(|turn| (user + turn) % EVENTS == 7).count();
    let sold = i64::try_from((0..USERS).map(of_this).sum::<usize>()).unwrap();
    assert_eq!(
        program.service.availability(&id).await.unwrap(),
        (CAPACITY, CAPACITY - sold)
    );
    let theirs = format!("/users/{}/bookings?limit=100", oid(2, 5).to_hex());
    let theirs = send(program, "GET", &theirs, &Value::Null).await;
    assert_eq!(theirs.status, 200, "{:?}", theirs.json());
    let theirs = theirs.json().unwrap();
    let list = theirs.as_array().unwrap_or_else(|| panic!("{theirs}"));
    assert_eq!(list.len(), BOOKINGS as usize, "{theirs}");
    // It goes on as any other: it is changed, announced and booked.
    let path = format!("/events/{id}");
    let body = event_body("opera 7, brought over", 40);
    let changed = send(program, "PUT", &path, &body).await;
    assert_eq!(changed.status, 200, "{:?}", changed.json());
    program.service.wait_bookable(&id, 40).await.unwrap();
    let order = serde_json::json!({"seats": 2, "email": "ada@example.org"});
    let booked = send(program, "POST", &format!("{path}/bookings"), &order).await;
    assert_eq!(booked.status, 201, "{:?}", booked.json());
    assert_eq!(
        program.service.availability(&id).await.unwrap(),
        (40, 40 - sold - 2)
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_is_brought_into_files() {
    let Some(server) = server("migrate the_original_is_brought_into_files").await else {
        return;
    };
    let original = fill(server.url()).await;
    let untouched = (
        all_of(&original, "events").await,
        all_of(&original, "users").await,
    );
    let from = format!("{}/myevents", server.url().trim_end_matches('/'));
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path());
    let bookings = USERS * BOOKINGS;
    let (events, users) = (EVENTS, USERS);

    // Beforehand it is told what would be done, and nothing is.
    let dry = ["migrate", "mongodb", "--from", &from, "--dry-run"];
    let said = fine(&program, &dry);
    let would = [
        format!("eventservice: events: {events} would be taken, 0 there already, 1 not taken"),
        "eventservice: locations: 1 would be taken, 0 there already, 0 not taken".to_owned(),
        format!("bookingservice: users: {users} would be taken, 0 there already, 0 not taken"),
        format!("bookingservice: bookings: {bookings} would be taken, 0 there already, 0 not taken"),
    ];
    says(&said, &would.each_ref().map(String::as_str));
    let reason = format!(
        "not taken: events {}: name is missing or blank",
        oid(1, 9_999).to_hex()
    );
    assert!(said.contains(&reason), "{said}");
    says(&fine(&program, &["reconcile"]), &["0 counters checked, 0 off"]);

    // Killed in the midst, it is completed by the next run: nothing is lost, nothing is there twice.
    let run = ["migrate", "mongodb", "--from", &from];
    assert!(
        killed(&program, &run, 6) > 0,
        "every run had ended before it was killed"
    );
    let said = fine(&program, &run);
    assert!(said.contains("run `republish` once the service is up"), "{said}");
    let again = fine(&program, &run);
    let there = [
        format!("eventservice: events: 0 taken, {events} there already, 1 not taken"),
        format!("bookingservice: users: 0 taken, {users} there already, 0 not taken"),
        format!("bookingservice: bookings: 0 taken, {bookings} there already, 0 not taken"),
        "2 documents were not taken; the reasons are above".to_owned(),
    ];
    says(&again, &there.each_ref().map(String::as_str));
    says(
        &fine(&program, &["reconcile"]),
        &[&format!("{events} counters checked, 0 off")],
    );
    let said = fine(
        &program,
        &["export", "--output", folder.path().join("all").to_str().unwrap()],
    );
    assert!(said.contains(&format!("{bookings} booking")), "{said}");
    serves(&program).await;
    let left = (
        all_of(&original, "events").await,
        all_of(&original, "users").await,
    );
    assert_eq!(left, untouched, "the original was written to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_is_taken_over_in_place() {
    let Some(server) = server("migrate the_original_is_taken_over_in_place").await else {
        return;
    };
    let original = fill(server.url()).await;
    let before = (
        all_of(&original, "events").await,
        all_of(&original, "users").await,
    );
    let url = server.url().trim_end_matches('/').to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path());
    program.environment = [
        ("MYEVENTS_DATABASETYPE", "mongodb".to_owned()),
        ("MYEVENTS_EVENTSERVICE_DBCONNECTION", format!("{url}/myevents")),
        ("MYEVENTS_BOOKINGSERVICE_DBCONNECTION", format!("{url}/bookings")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let (events, bookings) = (EVENTS, USERS * BOOKINGS);
    let said = fine(&program, &["migrate", "mongodb", "--dry-run"]);
    let would = [
        format!("eventservice: events: {events} would be taken, 0 there already, 1 not taken"),
        "eventservice: locations: 0 would be taken, 1 there already, 0 not taken".to_owned(),
        format!("bookingservice: bookings: {bookings} would be taken, 0 there already, 0 not taken"),
    ];
    says(&said, &would.each_ref().map(String::as_str));
    assert_eq!(all_of(&original, "events").await, before.0, "a dry run wrote");

    assert!(
        killed(&program, &["migrate", "mongodb"], 6) > 0,
        "every run had ended before it was killed"
    );
    fine(&program, &["migrate", "mongodb"]);
    let again = fine(&program, &["migrate", "mongodb"]);
    let there = [
        format!("eventservice: events: 0 taken, {events} there already, 1 not taken"),
        format!("bookingservice: bookings: 0 taken, {bookings} there already, 0 not taken"),
    ];
    says(&again, &there.each_ref().map(String::as_str));
    says(
        &fine(&program, &["reconcile"]),
        &[&format!("{events} counters checked, 0 off")],
    );

    // What the original reads of an event is what it wrote; the rest stands beside it.
    let after = all_of(&original, "events").await;
    assert_eq!(after.len(), before.0.len());
    for (was, is) in before.0.iter().zip(&after) {
        for name in ["_id", "name", "duration", "startdate", "enddate"] {
            assert_eq!(was.get(name), is.get(name), "{name} of {is}");
        }
    }
    assert_eq!(all_of(&original, "users").await, before.1);
    serves(&program).await;
}
