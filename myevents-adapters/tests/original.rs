//! A database as the original left it, on a real server, brought into SQLite: once, again, and without writing.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use myevents_adapters::connect::{self, OpenStore, StoreOptions};
use myevents_adapters::migrate::{Tallies, Tally, Witness};
use myevents_adapters::transfer::Part;
use myevents_core::ErrorKind;
use myevents_core::domain::{EventId, UserId};
use myevents_core::ports::{BookingFilter, BookingOwner, SystemClock};
use myevents_servers::{Kind, Server};

async fn open(folder: &tempfile::TempDir, role: &str) -> OpenStore {
    let options = StoreOptions {
        ca: None,
        kind: "sqlite".into(),
        location: folder.path().join(role).to_string_lossy().into_owned(),
        role: role.into(),
        tool: false,
        create_tables: true,
        table_prefix: String::new(),
    };
    connect::store(&options, Arc::new(SystemClock)).await.unwrap()
}

#[derive(Debug, Default)]
struct Told(Vec<String>);

impl Witness for Told {
    fn progress(&mut self, _documents: u64) {}

    fn skipped(&mut self, collection: &str, id: &str, reason: &str) {
        self.0.push(format!("{collection} {id}: {reason}"));
    }
}

fn oid(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 12])
}

/// As the original's driver wrote an id inside a booking.
fn bytes(number: u8) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![number; 12],
    })
}

fn event(number: u8, start: i64, end: i64) -> Document {
    doc! {
        "_id": oid(number), "name": format!("opera {number}"), "duration": 120_i32, "startdate": start, "enddate": end,
        "location": {
            "_id": "", "name": "West Street Opera House", "address": "11 west street", "country": "U.S.A",
            "opentime": 7_i32, "closetime": 20_i32,
            "halls": [{"name": "Cesar hall", "location": "second floor", "capacity": 10_i32}],
        },
    }
}

async fn fill(url: &str) {
    let client = Client::with_uri_str(url).await.unwrap();
    let database = client.database("myevents");
    let mut bare = event(2, 768_346_784, 768_353_984);
    bare.insert("location", doc! { "_id": "", "name": "", "address": "", "country": "", "opentime": 0_i32, "closetime": 0_i32, "halls": Bson::Null });
    let events = [
        event(1, 768_346_784, 768_353_984),
        bare,
        event(3, 768_353_984, 768_346_784),
        doc! { "_id": oid(4), "name": "  ", "startdate": 1_i64, "enddate": 2_i64 },
        doc! { "_id": oid(5), "name": "no dates" },
        doc! { "_id": "text", "name": "no id", "startdate": 1_i64, "enddate": 2_i64 },
    ];
    database
        .collection::<Document>("events")
        .insert_many(events)
        .await
        .unwrap();
    let locations = [
        doc! { "_id": oid(9), "name": "Opera", "address": "", "country": "", "opentime": 7_i32, "closetime": 20_i32, "halls": [{"name": "a", "location": "", "capacity": 5_i32}] },
        doc! { "_id": oid(8), "name": "late", "opentime": 7_i32, "closetime": 24_i32 },
    ];
    database
        .collection::<Document>("locations")
        .insert_many(locations)
        .await
        .unwrap();
    let booking =
        |event: u8, seats: i32| doc! { "date": 700_000_000_i64, "eventid": bytes(event), "seats": seats };
    let users = [
        doc! { "_id": oid(21), "first": "Ada", "last": "L", "age": 36_i32, "bookings": [booking(1, 4), booking(1, 4), booking(1, 7), booking(2, 1)] },
        doc! { "_id": oid(22), "first": "Bob", "last": "", "age": 0_i32, "bookings": Bson::Null },
        doc! { "_id": oid(23), "first": "Eve", "last": "", "age": 20_i32, "bookings": [booking(3, 1), booking(1, 0), {"date": 1_i64, "eventid": "x", "seats": 1_i32}, booking(1, 2)] },
        doc! { "_id": oid(24), "first": "Old", "last": "", "age": 151_i32, "bookings": [booking(1, 1)] },
    ];
    database
        .collection::<Document>("users")
        .insert_many(users)
        .await
        .unwrap();
}

fn tally(taken: u64, existing: u64, skipped: u64) -> Tally {
    Tally {
        taken,
        existing,
        skipped,
    }
}

async fn bring(url: &str, role: &str, store: &OpenStore, dry_run: bool, told: &mut Told) -> Tallies {
    let part = Part { role, store };
    connect::migrate_mongodb(url, part, dry_run, told).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_original_left_is_brought_over_once() {
    let test = "original what_the_original_left_is_brought_over_once";
    let server = tokio::task::spawn_blocking(move || Server::start_or_skip(test, Kind::Mongodb));
    let Some(server) = server.await.unwrap().unwrap() else {
        return;
    };
    let url = server.url().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let events = open(&folder, "eventservice").await;
    let bookings = open(&folder, "bookingservice").await;
    let part = Part {
        role: "eventservice",
        store: &events,
    };
    let empty = connect::migrate_mongodb(&url, part, false, &mut Told::default()).await;
    assert_eq!(empty.unwrap_err().kind(), ErrorKind::NotFound);
    fill(&url).await;

    // What would be done is what is done then.
    let mut would = Told::default();
    let planned = bring(&url, "eventservice", &events, true, &mut would).await;
    let planned_bookings = bring(&url, "bookingservice", &bookings, true, &mut would).await;
    assert!(
        events
            .store
            .find_event(&EventId::from([1; 12]))
            .await
            .unwrap()
            .is_none()
    );
    let mut told = Told::default();
    let done = bring(&url, "eventservice", &events, false, &mut told).await;
    assert_eq!(done, planned);
    assert_eq!(done["events"], tally(2, 0, 4));
    assert_eq!(done["locations"], tally(1, 0, 1));
    for reason in [
        "events 030303030303030303030303: EndDate is before StartDate",
        "events 040404040404040404040404: name is missing or blank",
        "events 050505050505050505050505: startdate is missing",
        "events \"text\": _id is no id",
        "locations 080808080808080808080808: closetime is not an hour",
    ] {
        assert_eq!(
            told.0.iter().filter(|line| line.starts_with(reason)).count(),
            1,
            "{reason}: {told:#?}"
        );
    }
    let done = bring(&url, "bookingservice", &bookings, false, &mut told).await;
    assert_eq!(done, planned_bookings);
    assert_eq!(would.0, told.0);
    assert_eq!(done["users"], tally(3, 0, 1));
    assert_eq!(done["bookings"], tally(5, 0, 3));
    for reason in [
        "users 181818181818181818181818: Age is not within",
        "bookings 1 of user 171717171717171717171717: its event 030303030303030303030303 is not there",
        "bookings 2 of user 171717171717171717171717: Seats is below 1",
        "bookings 3 of user 171717171717171717171717: eventid is no id",
    ] {
        assert_eq!(
            told.0.iter().filter(|line| line.starts_with(reason)).count(),
            1,
            "{reason}: {told:#?}"
        );
    }

    // The original sold 17 seats of 10; an event without a place has no known capacity.
    let sold = bookings
        .store
        .reconcile(&EventId::from([1; 12]), false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (sold.drift, sold.capacity, sold.sold, sold.available),
        (0, Some(10), 17, Some(-7))
    );
    let open_end = bookings
        .store
        .reconcile(&EventId::from([2; 12]), false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((open_end.drift, open_end.capacity, open_end.sold), (0, None, 1));
    let of_ada = BookingFilter::all_of(BookingOwner::User(UserId::from([21; 12])));
    let first = bookings
        .store
        .list_bookings(&of_ada, None, 10)
        .await
        .unwrap()
        .items;
    assert_eq!(first.len(), 4);

    // Again: nothing is added, and who was removed meanwhile stays removed.
    assert!(
        bookings
            .store
            .remove_user(&UserId::from([22; 12]), None)
            .await
            .unwrap()
    );
    let again = bring(&url, "eventservice", &events, false, &mut Told::default()).await;
    assert_eq!(again["events"], tally(0, 2, 4));
    let again = bring(&url, "bookingservice", &bookings, false, &mut Told::default()).await;
    assert_eq!(
        (again["bookings"], again["users"]),
        (tally(0, 5, 3), tally(0, 3, 1))
    );
    assert!(
        bookings
            .store
            .find_user(&UserId::from([22; 12]))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        bookings
            .store
            .list_bookings(&of_ada, None, 10)
            .await
            .unwrap()
            .items,
        first
    );
}
