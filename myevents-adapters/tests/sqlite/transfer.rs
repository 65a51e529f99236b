//! Moving between stores: SQLite as the store that is left, and as the one that is moved into.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use myevents_adapters::connect::{self, OpenStore, StoreOptions};
use myevents_adapters::transfer::{self, ExportOptions, Imported, Part, Watch};
use myevents_core::ErrorKind;
use myevents_core::ports::{BookOptions, EventFilter, SystemClock};
use myevents_core::testkit::fixture;

use crate::kit;

/// A new file each time.
fn fresh(folder: &tempfile::TempDir) -> impl Fn(&str) -> StoreOptions + Sync {
    let (folder, number) = (folder.path().to_owned(), AtomicU32::new(0));
    move |role| StoreOptions {
        ca: None,
        kind: "sqlite".into(),
        location: folder
            .join(format!("{}-{role}.db", number.fetch_add(1, Ordering::Relaxed)))
            .to_string_lossy()
            .into_owned(),
        role: role.into(),
        tool: false,
        create_tables: true,
        table_prefix: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves() {
    let folder = tempfile::tempdir().unwrap();
    kit::everything_moves(&fresh(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_import_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    kit::a_broken_import_is_completed(&fresh(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_way_of_sqlite_and_back() {
    let folder = tempfile::tempdir().unwrap();
    kit::by_way_of_sqlite_and_back(&fresh(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    kit::refusals_name_their_reason(&fresh(&folder)).await;
}

/// A booking store with one event of 10 seats, 4 of them booked for a user.
async fn small(folder: &tempfile::TempDir) -> OpenStore {
    let open = connect::store(&fresh(folder)("bookingservice"), Arc::new(SystemClock))
        .await
        .unwrap();
    let record = fixture::event_record(fixture::event("small"));
    let event = record.event.id.clone();
    let projection = fixture::projection(record, 1, Some(10));
    open.store.project_event(&projection).await.unwrap();
    open.store
        .add_user(&fixture::user_record("first", "last"))
        .await
        .unwrap();
    let requests = [
        fixture::booking_request(&event, 1),
        fixture::booking_request(&event, 3),
    ];
    for booked in open.store.book(&event, &requests, BookOptions::default()).await {
        open.store.confirm(&booked.unwrap().leased).await.unwrap();
    }
    open
}

/// An empty booking store in a folder of its own below `folder`.
async fn empty(folder: &tempfile::TempDir) -> OpenStore {
    let own = tempfile::tempdir_in(folder.path()).unwrap().keep();
    let options = StoreOptions {
        location: own.join("b.db").to_string_lossy().into_owned(),
        ..fresh(folder)("bookingservice")
    };
    connect::store(&options, Arc::new(SystemClock)).await.unwrap()
}

async fn imported(to: &OpenStore, file: &str, told: &mut Told) -> Imported {
    transfer::import(&[part(to)], &mut file.as_bytes(), told)
        .await
        .unwrap()
}

#[derive(Debug, Default)]
struct Told(Vec<u64>, Vec<String>);

impl Watch for Told {
    fn progress(&mut self, _records: u64) {}

    fn fault(&mut self, line: u64, reason: &str) {
        self.0.push(line);
        self.1.push(reason.to_owned());
    }

    fn counter(&mut self, _role: &str, event: &str, finding: &str) {
        self.1.push(format!("{event}: {finding}"));
    }
}

fn part(store: &OpenStore) -> Part<'_> {
    Part {
        role: "bookingservice",
        store,
    }
}

async fn exported(open: &OpenStore, told: &mut Told) -> Vec<String> {
    let mut file = Vec::new();
    let options = ExportOptions::default();
    transfer::export(&[part(open)], options, &mut file, told)
        .await
        .unwrap();
    let file = String::from_utf8(file).unwrap();
    file.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bad_lines_are_named_and_the_rest_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let lines = exported(&small(&folder).await, &mut Told::default()).await;
    // First line, copy, two bookings, counter, user, last line.
    assert_eq!(lines.len(), 7);
    let cases: [(usize, &str, &str, &str); 9] = [
        (2, "\"seats\":", "\"seats\":0,\"x\":", "unknown field"),
        (
            2,
            "\"kind\":\"booking\"",
            "\"kind\":\"bookings\"",
            "kind of record is not known",
        ),
        (
            2,
            "\"store\":\"bookingservice\"",
            "\"store\":\"eventservice\"",
            "does not name the record's store",
        ),
        (2, "\"version\":1", "\"version\":-1", "the record can't be read"),
        (
            2,
            "\"fingerprint\":\"",
            "\"fingerprint\":\"00",
            "fingerprint has not 16 bytes",
        ),
        (3, "\"date\":", "\"date\":-", "date is not within"),
        (5, "\"age\":40", "\"age\":151", "Age is not within"),
        (
            1,
            "\"duration\":90",
            "\"duration\":\"90\"",
            "the record can't be read",
        ),
        (3, "}}", "}", "the line is not a record"),
    ];
    for (line, from, to, reason) in cases {
        let mut bad = lines.clone();
        bad[line] = bad[line].replace(from, to);
        assert_ne!(bad[line], lines[line], "{from}");
        let file = bad.join("\n");
        let mut told = Told::default();
        let faults = transfer::check(&mut file.as_bytes(), &mut told).await.unwrap();
        assert_eq!(
            (faults, told.0.as_slice()),
            (1, &[line as u64 + 1][..]),
            "{told:?}"
        );
        assert!(told.1[0].contains(reason), "{told:?}");

        let to = empty(&folder).await;
        let mut told = Told::default();
        let done = imported(&to, &file, &mut told).await;
        assert!(!done.is_complete());
        assert_eq!(told.0[0], line as u64 + 1);
        // Without its event no booking is stored, and nobody made a counter up.
        let events = to
            .store
            .list_events(&EventFilter::default(), None, 9)
            .await
            .unwrap()
            .items;
        assert_eq!(events.len(), usize::from(line != 1), "{told:?}");
        for event in events {
            let found = to.store.reconcile(&event.event.id, false).await.unwrap().unwrap();
            assert_eq!(found.drift, 0);
            assert_eq!(found.confirmed < 4, (2..=3).contains(&line));
            assert!(!(2..=3).contains(&line) || done.off == 1, "{done:?}");
        }
        let done = imported(&to, &lines.join("\n"), &mut Told::default()).await;
        assert!(done.is_complete(), "the whole file completes it");
        assert_eq!(exported(&to, &mut Told::default()).await, lines);
    }
}

#[tokio::test]
async fn a_counter_that_was_not_set_is_found_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = exported(&small(&folder).await, &mut Told::default()).await;
    lines[4] = lines[4].replace("\"sold\":4", "\"sold\":\"4\"");
    let to = empty(&folder).await;
    let mut told = Told::default();
    let done = imported(&to, &lines.join("\n"), &mut told).await;
    assert_eq!((done.faults, done.off), (1, 1), "{told:?}");
    assert!(
        told.1[1].contains("off by -4: sold 0, confirmed bookings hold 4"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_file_that_lost_or_gained_lines_is_no_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let lines = exported(&small(&folder).await, &mut Told::default()).await;
    let check = async |lines: &[&String], expected: (u64, &str)| {
        let file: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut told = Told::default();
        transfer::check(&mut file.as_bytes(), &mut told).await.unwrap();
        assert_eq!(told.0, [expected.0], "{told:?}");
        assert!(told.1[0].contains(expected.1), "{told:?}");
    };
    let all: Vec<_> = lines.iter().collect();
    check(&all[..6], (6, "its last line, with the counts, is missing")).await;
    check(
        &[&all[..2], &all[3..]].concat(),
        (6, "counts 5 records, before it are 4"),
    )
    .await;
    check(
        &[&all[..4], &all[3..]].concat(),
        (8, "counts 5 records, before it are 6"),
    )
    .await;
    check(&[&all[..], &all[6..]].concat(), (8, "behind the last one")).await;
    let other = lines[0].replace("\"version\":1", "\"version\":2");
    for first in ["", "{}", "hello", other.as_str()] {
        let file = [first, "\n", &lines[1..].join("\n")].concat();
        let refused = transfer::check(&mut file.as_bytes(), &mut Told::default()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config, "{first}");
    }
}

#[tokio::test]
async fn a_counter_that_was_off_is_told_and_set_right_by_the_move() {
    let folder = tempfile::tempdir().unwrap();
    let open = small(&folder).await;
    let file = folder.path().join("0-bookingservice.db");
    let planted = myevents_adapters::sqlite::rusqlite::Connection::open(&file).unwrap();
    let changed = planted
        .execute(
            "UPDATE inventory SET sold = sold + 2, available = available - 2",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let mut told = Told::default();
    let lines = exported(&open, &mut told).await;
    assert!(
        told.1[0].contains("off by 2: sold 6, confirmed bookings hold 4"),
        "{told:?}"
    );

    let to = empty(&folder).await;
    let mut told = Told::default();
    let done = imported(&to, &lines.join("\n"), &mut told).await;
    assert!(done.is_complete(), "{told:?}");
    let event = to
        .store
        .list_events(&EventFilter::default(), None, 9)
        .await
        .unwrap()
        .items
        .remove(0)
        .event
        .id;
    let found = to.store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!((found.drift, found.sold, found.available), (0, 4, Some(6)));
}

#[tokio::test]
async fn a_memory_store_says_why_it_can_not_be_moved() {
    let options = StoreOptions {
        ca: None,
        kind: "memory".into(),
        ..fresh(&tempfile::tempdir().unwrap())("bookingservice")
    };
    let open = connect::store(&options, Arc::new(SystemClock)).await.unwrap();
    let mut file = Vec::new();
    let refused = transfer::export(
        &[part(&open)],
        ExportOptions::default(),
        &mut file,
        &mut Told::default(),
    )
    .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("ends with its process"), "{error}");
    assert!(file.is_empty());
}
