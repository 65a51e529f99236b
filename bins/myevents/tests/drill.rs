//! The drill of `docs/deploy/recovery.md`: its own commands, run as they stand there, bring a lost machine back.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::Place;
use loadtest::booker::{Booker, Order, Outcome};
use loadtest::program::Program;
use loadtest::service::ask;
use myevents_servers::skip::full_scale;

const PAGE: &str = include_str!("../../../docs/deploy/recovery.md");
const CAPACITY: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a shell prints for the page's block of this name, told of the program's stores; it has to end well.
fn as_the_page_says(name: &str, program: &Program, backup: &Path) -> String {
    let begin = format!("```sh {name}\n");
    let (_, rest) = PAGE.split_once(&begin).expect("the page has the block");
    let (commands, _) = rest.split_once("```").expect("the block ends");
    let programs = Path::new(env!("CARGO_BIN_EXE_myevents")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("/bin/sh")
        .args(["-euc", commands])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("DATA", &program.data)
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .env("BACKUP", backup)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{commands}: {said}");
    said
}

fn order(event: &str, number: usize) -> Order {
    Order {
        event: event.to_owned(),
        seats: 2,
        key: format!("a-customer-of-the-drill-{number:07}"),
        ..Order::default()
    }
}

async fn book(booker: &mut Booker, order: &Order) -> String {
    match booker.book(order, Instant::now() + PATIENCE).await {
        Outcome::Booked { id } => id,
        other => panic!("{order:?}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "the times are the point")]
async fn a_lost_machine_comes_back_as_the_page_says() {
    let wanted = if full_scale() { 50_000 } else { 1_000 };
    let (machine, elsewhere, new) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let backup = elsewhere.path().join("backup");
    let program = Program::new(env!("CARGO_BIN_EXE_myevents"), machine.path());
    let mut running = program.start_ready().await.unwrap();
    let event = program.service.new_event("before", CAPACITY).await.unwrap();

    // A customer who never stops, until the machine is gone.
    let (stop, address) = (Arc::new(AtomicBool::new(false)), program.service.bookings);
    let customer = |begin: usize| {
        let (stop, event) = (Arc::clone(&stop), event.clone());
        tokio::spawn(async move {
            let mut booker = Booker::new(address);
            let mut booked = Vec::new();
            for number in begin.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                booked.push((number, book(&mut booker, &order(&event, number)).await));
            }
            booked
        })
    };
    let mut booker = Booker::new(address);
    let mut before = Vec::new();
    for number in 0..wanted {
        before.push((number, book(&mut booker, &order(&event, number)).await));
    }
    let customer = customer(wanted);
    let begun = Instant::now();
    as_the_page_says("backup", &program, &backup);
    let backed_up = begun.elapsed();
    let too_late = program.service.new_event("after", CAPACITY).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let meanwhile = customer.await.unwrap();
    assert!(!meanwhile.is_empty());

    running.kill().unwrap();
    let lost = Instant::now();
    machine.close().unwrap();
    let program = Program {
        // The address of the old one.
        service: program.service,
        ..Program::new(env!("CARGO_BIN_EXE_myevents"), new.path().join("data"))
    };
    let said = as_the_page_says("restore", &program, &backup);
    let restored = lost.elapsed();
    for expected in ["eventservice: sound", "bookingservice: sound", " 0 off"] {
        assert!(said.contains(expected), "{said}");
    }
    let running = program.start_ready().await.unwrap();
    let mut booker = Booker::new(address);
    let first = book(&mut booker, &order(&event, usize::MAX)).await;
    let back = lost.elapsed();
    let said = as_the_page_says("after", &program, &backup);
    assert!(said.contains("will be announced"), "{said}");

    let stored = program.service.bookings(&event).await.unwrap();
    for (number, id) in &before {
        assert!(
            stored.contains_key(id),
            "booking {number} was accepted before the backup and is lost"
        );
    }
    assert!(stored.contains_key(&first));
    let kept = meanwhile.iter().filter(|(_, id)| stored.contains_key(id)).count();
    assert_eq!(stored.len(), before.len() + kept + 1, "bookings that nobody made");
    let (capacity, available) = program.service.availability(&event).await.unwrap();
    assert_eq!(capacity - available, i64::try_from(stored.len() * 2).unwrap());
    // A repeated request is answered as before, and one that the backup does not have is a booking.
    let (number, id) = &before[before.len() / 2];
    assert_eq!(book(&mut booker, &order(&event, *number)).await, *id);
    let repeated = meanwhile.last().unwrap();
    book(&mut booker, &order(&event, repeated.0)).await;
    let path = format!("/events/{too_late}");
    let gone = ask(address, "GET", &path, None).await.unwrap();
    assert_eq!(gone.status, 404, "made after the backup");
    running.stop().await.unwrap();
    println!(
        "{} bookings before the backup, {} meanwhile of which it has {kept}: backup {backed_up:?}, restored and checked \
         {restored:?} after the loss, first new booking {back:?} after it",
        before.len(),
        meanwhile.len(),
    );
}

/// A store on a server is lost with all that is in it; what an export holds comes back on a new one.
#[allow(clippy::print_stdout, reason = "the times are the point")]
async fn a_lost_store_comes_back_as_the_page_says(test: &'static str, place: fn(&str) -> Option<Place>) {
    let wanted = if full_scale() { 5_000 } else { 300 };
    let server = || tokio::task::spawn_blocking(move || place(test));
    let Some(old) = server().await.unwrap() else {
        return;
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("all.jsonl");
    let program = old.program();
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("before", CAPACITY).await.unwrap();
    let address = program.service.bookings;
    let customers = (0..8).map(|customer| {
        let event = event.clone();
        tokio::spawn(async move {
            let mut booker = Booker::new(address);
            let mut booked = Vec::new();
            for number in (customer..wanted).step_by(8) {
                booked.push((number, book(&mut booker, &order(&event, number)).await));
            }
            booked
        })
    });
    let mut before = Vec::new();
    for customer in customers.collect::<Vec<_>>() {
        before.extend(customer.await.unwrap());
    }
    program.service.wait_outbox_empty(PATIENCE).await.unwrap();
    running.stop().await.unwrap();
    let begun = Instant::now();
    as_the_page_says("store-backup", &program, &backup);
    let backed_up = begun.elapsed();
    let mut running = program.start_ready().await.unwrap();
    let mut booker = Booker::new(address);
    let too_late = book(&mut booker, &order(&event, wanted)).await;

    running.kill().unwrap();
    drop(old);
    let new = server().await.unwrap().unwrap();
    // From here on: the server is somebody else's time.
    let lost = Instant::now();
    let program = Program {
        // The address of the old one.
        service: program.service,
        ..new.program()
    };
    let said = as_the_page_says("store-restore", &program, &backup);
    let restored = lost.elapsed();
    for expected in ["eventservice: ", "bookingservice: ", " 0 off"] {
        assert!(said.contains(expected), "{said}");
    }
    let running = program.start_ready().await.unwrap();
    let mut booker = Booker::new(address);
    let first = book(&mut booker, &order(&event, usize::MAX)).await;
    let back = lost.elapsed();
    let said = as_the_page_says("store-after", &program, &backup);
    assert!(said.contains("will be announced"), "{said}");

    let stored = program.service.bookings(&event).await.unwrap();
    for (number, id) in &before {
        assert!(
            stored.contains_key(id),
            "booking {number} was accepted before the backup and is lost"
        );
    }
    assert!(stored.contains_key(&first) && !stored.contains_key(&too_late));
    assert_eq!(stored.len(), before.len() + 1, "bookings that nobody made");
    let (capacity, available) = program.service.availability(&event).await.unwrap();
    assert_eq!(capacity - available, i64::try_from(stored.len() * 2).unwrap());
    // A repeated request is answered as before.
    let (number, id) = &before[before.len() / 2];
    assert_eq!(book(&mut booker, &order(&event, *number)).await, *id);
    running.stop().await.unwrap();
    println!(
        "{test}: {} bookings: export {backed_up:?}, imported and checked {restored:?} after the loss, first new booking {back:?} \
         after it",
        before.len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_mongodb_comes_back_as_the_page_says() {
    a_lost_store_comes_back_as_the_page_says("drill on MongoDB", Place::mongodb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_dynamodb_comes_back_as_the_page_says() {
    a_lost_store_comes_back_as_the_page_says("drill on DynamoDB", Place::dynamodb).await;
}
