//! The process ends at each crash point under load; a fresh one must find every accepted booking, announced, once.

#[path = "sqlite/common.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use the rest of it")]
mod common;

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::*;
use myevents_adapters::sqlite::{CRASH_POINTS, SqliteConfig, SqliteStore};
use myevents_core::crash;
use myevents_core::domain::{BookingId, EventId};
use myevents_core::ports::{BookOptions, BookingFilter, BookingOwner, DatabaseHandler, Outbox};

/// Where the child keeps its store; only a child has it.
const CHILD: &str = "MYEVENTS_TEST_STORE";

#[test]
fn a_crash_loses_no_accepted_booking_and_no_message() {
    if let Some(path) = std::env::var_os(CHILD) {
        runtime().block_on(book_until_the_end(Path::new(&path)));
        return;
    }
    for point in CRASH_POINTS {
        for count in [1, 2, 5, 40] {
            let folder = folder();
            let path = config(&folder).path;
            let output = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "a_crash_loses_no_accepted_booking_and_no_message",
                    "--nocapture",
                ])
                .env(CHILD, &path)
                .env(crash::ENVIRONMENT, format!("{point}:{count}"))
                .output()
                .unwrap();
            assert!(!output.status.success(), "{point}:{count} was never reached");
            let said = String::from_utf8(output.stdout).unwrap();
            runtime().block_on(examine(&path, &said, &format!("{point}:{count}")));
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Books with eight callers, and says which bookings were accepted, until the armed point ends the process.
async fn book_until_the_end(path: &Path) {
    let store = open(SqliteConfig::service(path, ROLE));
    let event = bookable(&store, 1_000_000).await;
    say(&format!("event {event}"));
    let callers = (0..8).map(|_| {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                let wish = request(&event, 3);
                let result = store
                    .book(&event, &[wish], BookOptions::default())
                    .await
                    .remove(0)
                    .unwrap();
                let row = result.leased[0].clone();
                say(&format!("booked {}", row.envelope.key()));
                if rand_bit(&row.envelope.key()[..1]) {
                    store.confirm(std::slice::from_ref(&row)).await.unwrap();
                    say(&format!("confirmed {}", row.envelope.key()));
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

fn rand_bit(digit: &str) -> bool {
    u8::from_str_radix(digit, 16).unwrap().is_multiple_of(2)
}

async fn examine(path: &Path, said: &str, case: &str) {
    let store: SqliteStore = open(SqliteConfig::service(path, ROLE));
    let report = store.check_store().await.unwrap();
    assert!(report.is_sound(), "{case}: {report}");
    let mut lines: HashMap<&str, Vec<&str>> = HashMap::new();
    for (what, which) in said.lines().filter_map(|line| line.split_once(' ')) {
        lines.entry(what).or_default().push(which);
    }
    let none = Vec::new();
    let booked = lines.get("booked").unwrap_or(&none);
    let confirmed = lines.get("confirmed").unwrap_or(&none);
    let Some(event) = lines.get("event").map(|lines| EventId::parse(lines[0]).unwrap()) else {
        return;
    };
    for id in booked {
        let found = store.find_booking(&BookingId::parse(id).unwrap()).await.unwrap();
        assert!(found.is_some(), "{case}: an accepted booking is lost");
    }
    let found = store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!(found.drift, 0, "{case}");
    let filter = BookingFilter::all_of(BookingOwner::Event(event));
    let stored = store.list_bookings(&filter, None, 10_000).await.unwrap().items;
    assert!(stored.len() >= booked.len(), "{case}");
    // The leases of the dead process are void: what was not confirmed is handed out at once, each row once.
    let claim = store.claim(100_000, Duration::from_secs(30)).await.unwrap();
    let waiting: Vec<&str> = claim.rows.iter().map(|row| row.envelope.key()).collect();
    for booking in &stored {
        let id = booking.id.to_string();
        let times = waiting.iter().filter(|key| **key == id).count();
        let was_confirmed = confirmed.contains(&id.as_str());
        assert!(times <= 1, "{case}: announced twice in one store");
        assert!(
            times == 1 || was_confirmed || rand_bit(&id[..1]),
            "{case}: an announcement is lost"
        );
    }
}
