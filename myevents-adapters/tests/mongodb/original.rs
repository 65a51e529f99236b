//! The original's documents are read, and ours are written so that the original's driver still reads what it knows.
//!
//! What it wrote: lower-case Go names, ObjectIds, `int` as 32 bits where it fits, `int64` as 64 bits, nil lists as empty.

use std::sync::Arc;

use myevents_adapters::mongodb::mongodb::bson::oid::ObjectId;
use myevents_adapters::mongodb::mongodb::bson::spec::ElementType;
use myevents_adapters::mongodb::mongodb::bson::{Bson, Document, doc};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::ErrorKind;
use myevents_core::domain::{EventId, Fingerprint, LocationId, UserId, Version};
use myevents_core::ports::{Attached, DatabaseHandler, EventFilter, Inserted, SystemClock};
use myevents_core::testkit::fixture;

use crate::common::{Database, id, server};

async fn store(test: &str) -> Option<MongoStore> {
    let database = Database::new(&server(test)?);
    let config = MongoConfig::service(database_url(&database), "eventservice").database(&database.name);
    Some(MongoStore::open(config, Arc::new(SystemClock)).await.unwrap())
}

fn database_url(database: &Database) -> String {
    format!("mongodb://{}/", database.address())
}

fn object() -> ObjectId {
    ObjectId::new()
}

/// What the original's service stored for the body of its documentation.
fn event_of_the_original(own: ObjectId, location: ObjectId) -> Document {
    doc! {
        "_id": own,
        "name": "opera aida",
        "duration": 120_i32,
        "startdate": 768_346_784_i64,
        "enddate": 768_353_984_i64,
        "location": {
            "_id": location,
            "name": "West Street Opera House",
            "address": "11 west street, AZ 73646",
            "country": "U.S.A",
            "opentime": 7_i32,
            "closetime": 20_i32,
            "halls": [ { "name": "Cesar hall", "location": "second floor, room 2210", "capacity": 10_i32 } ],
        },
    }
}

#[tokio::test]
async fn an_event_of_the_original_is_read_listed_changed_and_announced() {
    let Some(store) = store("an_event_of_the_original_is_read_listed_changed_and_announced").await else {
        return;
    };
    let (own, location) = (object(), object());
    let events = store.database().collection::<Document>("events");
    events
        .insert_one(event_of_the_original(own, location))
        .await
        .unwrap();
    let event = EventId::from(own.bytes());
    let found = store.find_event(&event).await.unwrap().unwrap();
    assert_eq!(found.version, Version::NONE);
    assert_eq!(found.event.name.as_str(), "opera aida");
    assert_eq!(found.event.capacity(), Some(10));
    assert_eq!(
        (found.event.start.get(), found.event.end.get()),
        (768_346_784, 768_353_984)
    );
    let place = found.event.location.clone().unwrap();
    assert_eq!(place.id, LocationId::from(location.bytes()));
    assert_eq!((place.open_time.get(), place.close_time.get()), (7, 20));
    assert_eq!(place.halls[0].location.as_str(), "second floor, room 2210");
    let by_name = store.find_event_by_name("opera aida").await.unwrap();
    assert_eq!(by_name.as_ref(), Some(&found));
    let listed = store.list_events(&EventFilter::default(), None, 5).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&found));
    // A new event under its id is another one.
    let mut taken = found.clone();
    taken.fingerprint = Fingerprint::of("POST /events").finish();
    let refused = store.add_event(&taken, Attached::nothing()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    // It has no version, which is 0: it is announced and changed from there.
    let announced = store
        .announce_event(&event, Version::NONE, fixture::announce(&event))
        .await
        .unwrap();
    assert_eq!(announced.leased.len(), 1);
    let mut changed = found.clone();
    changed.version = Version(1);
    changed.event.name = myevents_core::domain::Name::from_stored("aida again");
    store
        .replace_event(&changed, Version::NONE, fixture::announce(&event))
        .await
        .unwrap();
    let stale = store
        .replace_event(&changed, Version::NONE, Attached::nothing())
        .await
        .unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Precondition);
    assert_eq!(store.find_event(&event).await.unwrap(), Some(changed));
}

#[tokio::test]
async fn sparse_documents_of_the_original_are_read_too() {
    let Some(store) = store("sparse_documents_of_the_original_are_read_too").await else {
        return;
    };
    let own = object();
    let events = store.database().collection::<Document>("events");
    let mut sparse = event_of_the_original(own, object());
    sparse.insert("duration", 90.0);
    sparse.insert("startdate", 5_i32);
    sparse.insert("enddate", 6.0);
    let mut location = sparse.get_document("location").unwrap().clone();
    location.insert("halls", Bson::Null);
    location.remove("_id");
    sparse.insert("location", location);
    events.insert_one(sparse).await.unwrap();
    let found = store
        .find_event(&EventId::from(own.bytes()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            found.event.duration.get(),
            found.event.start.get(),
            found.event.end.get()
        ),
        (90, 5, 6)
    );
    assert_eq!(
        found.event.capacity(),
        None,
        "without halls the capacity is unknown"
    );
    let (user, of_booking) = (object(), object());
    let users = store.database().collection::<Document>("users");
    let booking = doc! { "date": 1_i64, "eventid": Bson::Binary(myevents_adapters::mongodb::mongodb::bson::Binary {
        subtype: myevents_adapters::mongodb::mongodb::bson::spec::BinarySubtype::Generic,
        bytes: of_booking.bytes().to_vec(),
    }), "seats": 2_i32 };
    users
        .insert_one(doc! { "_id": user, "first": "Jo", "last": "Doe", "age": 33_i32, "bookings": [booking] })
        .await
        .unwrap();
    let found = store
        .find_user(&UserId::from(user.bytes()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            found.user.first.as_str(),
            found.user.last.as_str(),
            found.user.age.get()
        ),
        ("Jo", "Doe", 33)
    );
    let location = object();
    let locations = store.database().collection::<Document>("locations");
    locations
        .insert_one(doc! { "_id": location, "name": "Hall", "address": "", "country": "", "opentime": 1_i32, "closetime": 2_i32, "halls": [] })
        .await
        .unwrap();
    let found = store
        .find_location(&LocationId::from(location.bytes()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.location.name.as_str(), found.version),
        ("Hall", Version::NONE)
    );
    assert_eq!(store.list_locations(None, 5).await.unwrap().items, [found]);
}

#[tokio::test]
async fn what_we_write_has_the_names_and_types_that_the_original_reads() {
    let Some(store) = store("what_we_write_has_the_names_and_types_that_the_original_reads").await else {
        return;
    };
    let record = fixture::event_record(fixture::event("ours"));
    assert_eq!(
        store
            .add_event(&record, fixture::announce(&record.event.id))
            .await
            .unwrap()
            .value,
        Inserted::New
    );
    let events = store.database().collection::<Document>("events");
    let own = id(record.event.id.as_bytes());
    let written = events.find_one(doc! { "_id": own }).await.unwrap().unwrap();
    use ElementType::{Array, EmbeddedDocument, Int32, Int64, ObjectId as Object, String as Text};
    let types = |document: &Document, fields: &[(&str, ElementType)]| {
        for (name, wanted) in fields {
            let found = document.get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(found.element_type(), *wanted, "{name}");
        }
    };
    types(
        &written,
        &[
            ("_id", Object),
            ("name", Text),
            ("duration", Int32),
            ("startdate", Int64),
            ("enddate", Int64),
            ("location", EmbeddedDocument),
        ],
    );
    let location = written.get_document("location").unwrap();
    types(
        location,
        &[
            ("_id", Object),
            ("name", Text),
            ("address", Text),
            ("country", Text),
            ("opentime", Int32),
            ("closetime", Int32),
            ("halls", Array),
        ],
    );
    let hall = location.get_array("halls").unwrap()[0].as_document().unwrap();
    types(hall, &[("name", Text), ("location", Text), ("capacity", Int32)]);
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    let users = store.database().collection::<Document>("users");
    let own = id(user.user.id.as_bytes());
    let written = users.find_one(doc! { "_id": own }).await.unwrap().unwrap();
    types(
        &written,
        &[("_id", Object), ("first", Text), ("last", Text), ("age", Int32)],
    );
}

#[tokio::test]
async fn ids_of_other_lengths_are_kept_and_listed_among_the_rest() {
    let Some(store) = store("ids_of_other_lengths_are_kept_and_listed_among_the_rest").await else {
        return;
    };
    let mut ids: Vec<EventId> = (0..6).map(|_| fixture::event_id()).collect();
    for bytes in [&[1_u8][..], &[200, 3], &[7; 24], &[0; 64]] {
        ids.push(EventId::from_bytes(bytes).unwrap());
    }
    for own in &ids {
        let mut record = fixture::event_record(fixture::event("any id"));
        record.event.id = own.clone();
        store.add_event(&record, Attached::nothing()).await.unwrap();
        assert_eq!(store.find_event(own).await.unwrap(), Some(record));
    }
    for page in 1..=ids.len() {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let found = store
                .list_events(&EventFilter::default(), after.as_ref(), page)
                .await
                .unwrap();
            seen.extend(found.items.into_iter().map(|record| record.event.id));
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), ids.len(), "pages of {page}");
        assert!(ids.iter().all(|own| seen.contains(own)), "pages of {page}");
    }
}
