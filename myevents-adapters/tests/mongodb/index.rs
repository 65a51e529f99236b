//! No request reads more than it has to: the filter of every command is covered by an index of ours.

use std::collections::BTreeSet;
use std::time::Duration;

use myevents_adapters::connect::StoreTools;
use myevents_adapters::mongodb::mongodb::bson::{Bson, Document};
use myevents_adapters::mongodb::{INDEXES, MongoStore};
use myevents_core::domain::{AuditAction, BookingState, PersonLimits, Version};
use myevents_core::ports::{
    ApiKey, ApiKeyHash, ApiKeys, ApplyMode, Attached, AuditFilter, BookOptions, BookingFilter, BookingOwner,
    DatabaseHandler, DeadLetterQueue, DeadLetters, EventFilter, Inbox, Outbox,
};
use myevents_core::testkit::fixture;

use crate::common::{Database, book, bookable, server};
use crate::watch::{Watch, watched};

/// What is compared beside the keys of an index, on the few documents that these lead to, and why that is few.
const BESIDE: &[(&str, &str, &str)] = &[
    ("events", "outbox", "of records whose messages wait"),
    ("events", "outbox.token", "of records whose messages are held"),
    (
        "events",
        "cancelled",
        "of events of one name, or of those with ids of other lengths",
    ),
    (
        "events",
        "otherid",
        "hardly any event has an id of another length",
    ),
    ("locations", "outbox", "of records whose messages wait"),
    ("locations", "outbox.token", "of records whose messages are held"),
    (
        "locations",
        "deleted",
        "there are few locations, and fewer deleted ones",
    ),
    ("bookings", "outbox", "of records whose messages wait"),
    ("bookings", "outbox.token", "of records whose messages are held"),
    ("bookings", "state", "of bookings of one person"),
    ("dead_letters", "until", "of letters that are due"),
    (
        "api_keys",
        "gone",
        "there are few keys, and hardly one that is gone and still there",
    ),
    ("api_keys", "audit", "of keys that are gone"),
];

/// The equalities of a filter, and the rest of its fields.
fn parts(filter: &Document) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut equal, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (name, condition) in filter {
        let operator = condition.as_document().and_then(|inner| inner.keys().next());
        match operator {
            Some(operator) if operator.starts_with('$') && operator != "$in" => others.insert(name.as_str()),
            _ => equal.insert(name.as_str()),
        };
    }
    (equal, others)
}

/// Why a query is not covered; none = it is.
fn uncovered(collection: &str, filter: &Document, sort: Option<&Document>) -> Option<String> {
    let (equal, others) = parts(filter);
    if equal.contains("_id") {
        return None;
    }
    let sorted: Vec<&str> = sort
        .map(|sort| sort.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let by_id: &[&str] = &["_id"];
    let indexes = INDEXES
        .iter()
        .filter(|index| index.collection == collection)
        .map(|index| index.keys);
    for keys in indexes.chain([by_id]) {
        let leading = keys.iter().take_while(|key| equal.contains(**key)).count();
        let rest = &keys[leading..];
        // Behind the equalities the index is in the order of the list, and its next key bounds the range.
        let in_order = sorted.iter().filter(|key| !equal.contains(**key)).eq(rest
            .iter()
            .take(sorted.iter().filter(|key| !equal.contains(**key)).count()));
        let bounded =
            leading > 0 || rest.first().is_some_and(|key| others.contains(*key)) || !sorted.is_empty();
        let beside = equal
            .iter()
            .chain(&others)
            .filter(|field| !keys.contains(*field))
            .all(|field| {
                BESIDE
                    .iter()
                    .any(|(of, name, _)| *of == collection && name == field)
            });
        if in_order && bounded && beside {
            return None;
        }
    }
    Some(format!("{collection}: {filter} sorted by {sort:?}"))
}

fn check(commands: &[Document]) {
    for command in commands {
        let (name, target) = command.iter().next().unwrap();
        let Some(collection) = target.as_str() else {
            continue;
        };
        let document = |name: &str| command.get(name).and_then(Bson::as_document);
        let mut queries: Vec<(Document, Option<Document>)> = Vec::new();
        match name.as_str() {
            "find" => queries.push((
                document("filter").cloned().unwrap_or_default(),
                document("sort").cloned(),
            )),
            "findAndModify" => queries.push((document("query").cloned().unwrap_or_default(), None)),
            "update" | "delete" => {
                let list = command
                    .get_array(if name == "update" { "updates" } else { "deletes" })
                    .unwrap();
                let filters = list
                    .iter()
                    .filter_map(Bson::as_document)
                    .map(|one| one.get_document("q").unwrap().clone());
                queries.extend(filters.map(|filter| (filter, None)));
            }
            "aggregate" => {
                let first = command.get_array("pipeline").unwrap()[0].as_document().unwrap();
                queries.push((first.get_document("$match").unwrap().clone(), None));
            }
            "insert" | "isMaster" | "hello" | "createIndexes" | "ping" | "endSessions" => {}
            other => panic!("a command this test does not know: {other}"),
        }
        for (filter, sort) in queries {
            if let Some(why) = uncovered(collection, &filter, sort.as_ref()) {
                panic!("{name} is not covered by an index: {why}");
            }
        }
    }
}

/// What the audit log and keys for machines ask.
async fn audited(store: &MongoStore) {
    for page in [1, 2] {
        let record = fixture::location_record(fixture::location(Vec::new()));
        let line = fixture::audit(AuditAction::LOCATION_CREATED, &record.location.id);
        let object = line.object.clone();
        let attached = Attached {
            audit: Some(line),
            ..Attached::nothing()
        };
        store.add_location(&record, attached).await.unwrap();
        for object in [None, Some(object)] {
            for date in [None, Some(fixture::date(fixture::START))] {
                let filter = AuditFilter {
                    object: object.clone(),
                    since: date,
                    until: date,
                };
                let listed = store.list_audit(&filter, None, 1).await.unwrap();
                assert_eq!(listed.items.len(), 1);
                if let Some(next) = listed.next {
                    assert_eq!(page, 2);
                    store.list_audit(&filter, Some(&next), 1).await.unwrap();
                }
            }
        }
    }
    let key = ApiKey {
        hash: ApiKeyHash([7; 32]),
        name: fixture::text("till"),
        scopes: String::new(),
        created: fixture::date(fixture::START),
        last_used: None,
    };
    let line = |action| fixture::audit(action, &key.id());
    store
        .add_key(&key, &line(AuditAction::API_KEY_MADE))
        .await
        .unwrap();
    store.list_keys().await.unwrap();
    store
        .note_use(&key.id(), fixture::date(fixture::START))
        .await
        .unwrap();
    let revoked = line(AuditAction::API_KEY_REVOKED);
    assert!(store.remove_key(&key.id(), &revoked).await.unwrap());
    store.list_audit(&AuditFilter::default(), None, 9).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_every_method_is_covered_by_an_index() {
    let Some(url) = server("every_command_of_every_method_is_covered_by_an_index") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    watch.take();
    let event = bookable(&store, 20).await;
    // Bookings in every way: remembered, looked up, refused, limited, of a user, repeated, cancelled.
    let mut request = fixture::booking_request(&event, 2);
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    store.add_user(&user).await.unwrap();
    request.booking.user = Some(user.user.id.clone());
    let mut leased = book(&store, &request).await.unwrap().leased;
    book(&store, &request).await.unwrap();
    book(&store, &fixture::booking_request(&event, 100))
        .await
        .unwrap();
    book(&store, &fixture::booking_request(&fixture::event_id(), 1))
        .await
        .unwrap();
    let limits = PersonLimits {
        seats: Some(3),
        bookings: Some(2),
    };
    let batch: Vec<_> = (0..4)
        .map(|_| fixture::limited_request(&event, 2, "ada", limits))
        .collect();
    for answer in store.book(&event, &batch, BookOptions::default()).await {
        leased.extend(answer.unwrap().leased);
    }
    for id in [&request.booking.id, &request.booking.id, &fixture::booking_id()] {
        store
            .cancel_booking(&fixture::cancel_request(&event, id))
            .await
            .unwrap();
    }
    audited(&store).await;
    store.fence(&event).await.unwrap();
    store.availability(std::slice::from_ref(&event)).await.unwrap();
    store.reconcile(&event, true).await.unwrap();
    store.find_booking(&request.booking.id).await.unwrap();
    for owner in [
        BookingOwner::Event(event.clone()),
        BookingOwner::User(user.user.id.clone()),
    ] {
        for state in [None, Some(BookingState::Confirmed)] {
            let filter = BookingFilter {
                text: Some("ada".into()),
                state,
                from: Some(fixture::date(1)),
                to: Some(fixture::date(fixture::START)),
                ..BookingFilter::all_of(owner.clone())
            };
            let page = store.list_bookings(&filter, None, 1).await.unwrap();
            store
                .list_bookings(
                    &BookingFilter {
                        text: None,
                        ..filter.clone()
                    },
                    None,
                    1,
                )
                .await
                .unwrap();
            store.list_bookings(&filter, page.next.as_ref(), 1).await.unwrap();
            let cursor = myevents_core::ports::BookingCursor {
                date: fixture::date(5),
                id: fixture::booking_id(),
            };
            store.list_bookings(&filter, Some(&cursor), 1).await.unwrap();
        }
    }
    store.remove_user(&user.user.id, None).await.unwrap();
    store.find_user(&user.user.id).await.unwrap();
    // Records of the event service and copies of the booking service.
    let mut record = fixture::event_record(fixture::event("covered"));
    leased.extend(
        store
            .add_event(&record, fixture::announce(&record.event.id))
            .await
            .unwrap()
            .leased,
    );
    store.add_event(&record, Attached::nothing()).await.unwrap();
    record.version = Version(2);
    store
        .replace_event(&record, Version(1), fixture::announce(&record.event.id))
        .await
        .unwrap();
    store
        .replace_event(&record, Version(7), Attached::nothing())
        .await
        .unwrap_err();
    store
        .announce_event(&record.event.id, Version(2), fixture::announce(&record.event.id))
        .await
        .unwrap();
    store.find_event(&record.event.id).await.unwrap();
    store.find_event_by_name("covered").await.unwrap();
    let cursor = myevents_core::ports::EventCursor {
        start: fixture::date(5),
        id: fixture::event_id(),
    };
    for with_cancelled in [true, false] {
        let filter = EventFilter {
            text: Some("x".into()),
            from: Some(fixture::date(1)),
            to: Some(fixture::date(fixture::START)),
            with_cancelled,
        };
        for filter in [
            filter,
            EventFilter {
                with_cancelled,
                ..EventFilter::default()
            },
        ] {
            store.list_events(&filter, None, 5).await.unwrap();
            store.list_events(&filter, Some(&cursor), 5).await.unwrap();
        }
    }
    store
        .project_event(&fixture::projection(record.clone(), 3, Some(4)))
        .await
        .unwrap();
    store
        .project_event(&fixture::projection(record.clone(), 4, None))
        .await
        .unwrap();
    store
        .project_event(&fixture::projection(record.clone(), 5, Some(4)))
        .await
        .unwrap();
    store.events_awaiting(&fixture::text("x"), None, 5).await.unwrap();
    store
        .events_awaiting(&fixture::text("x"), Some(&record.event.id), 5)
        .await
        .unwrap();
    let mut location = fixture::location_record(fixture::location(Vec::new()));
    store.add_location(&location, Attached::nothing()).await.unwrap();
    location.version = Version(2);
    store
        .replace_location(&location, Version(1), Attached::nothing())
        .await
        .unwrap();
    store.project_location(&location, ApplyMode::Newer).await.unwrap();
    store.find_location(&location.location.id).await.unwrap();
    store
        .list_locations(Some(&fixture::location_id()), 5)
        .await
        .unwrap();
    store.list_locations(None, 5).await.unwrap();
    // The outbox, the inbox, the dead letters, and what runs in the background.
    let lease = Duration::from_secs(30);
    store.release(&leased).await.unwrap();
    let rows = store.claim(100, lease).await.unwrap().rows;
    assert!(rows.len() > 3, "{} rows", rows.len());
    store.extend(&rows, lease).await.unwrap();
    store.park(&rows[..2], "why").await.unwrap();
    let parked = store.parked(None, 1).await.unwrap();
    store.parked(parked.next.as_ref(), 1).await.unwrap();
    Outbox::resend(&store, &[parked.items[0].id.clone()])
        .await
        .unwrap();
    Outbox::discard(&store, &[parked.items[0].id.clone()])
        .await
        .unwrap();
    store.release(&rows[2..3]).await.unwrap();
    store.confirm(&rows[3..]).await.unwrap();
    store.depth().await.unwrap();
    let message = fixture::message_id();
    let token = match store.begin("c", &message, lease).await.unwrap() {
        myevents_core::ports::Begin::Fresh(token) => token,
        other => panic!("{other:?}"),
    };
    store.begin("c", &message, lease).await.unwrap();
    store.abandon(&token).await.unwrap();
    store.complete(&token).await.unwrap();
    store
        .forget_completed_before(myevents_core::domain::UnixMillis(5))
        .await
        .unwrap();
    store.put(&fixture::dead_letter("c", "why")).await.unwrap();
    let letters = store.list(None, 5).await.unwrap().items;
    let ids = [letters[0].0.clone()];
    store.list(Some(&ids[0]), 5).await.unwrap();
    DeadLetters::resend(&store, &ids).await.unwrap();
    store.take_due("c", 5, lease).await.unwrap();
    store.put_back(&ids[0], "again", 6).await.unwrap();
    DeadLetters::discard(&store, &ids).await.unwrap();
    store.recover(Duration::ZERO).await.unwrap();
    assert!(store.quick_check().await.unwrap().sound);
    assert_eq!(store.unmoved_audit().await.unwrap(), Some(0));
    store.close().await.unwrap();
    let commands = watch.take();
    let names: BTreeSet<String> = Watch::names(&commands).into_iter().collect();
    assert!(names.len() > 30, "only {names:?} were seen");
    check(&commands);
}
