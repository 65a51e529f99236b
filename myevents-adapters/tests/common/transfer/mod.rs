//! Moving between stores, for every store that can be opened: what is exported from one is found in the other, complete,
//! with right counters, and goes on there as before. Included by the tests of each store.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod fill;
#[path = "../open.rs"]
mod open;

use std::time::Duration;

use myevents_adapters::connect::{OpenStore, StoreOptions};
use myevents_adapters::transfer::{self, ExportOptions, Imported, Part, Watch};
use myevents_core::ErrorKind;
use myevents_core::domain::{BookingState, EventRecord, Version};
use myevents_core::ports::{
    ApplyMode, Attached, BookingFilter, BookingOwner, EventFilter, EventProjection, Inserted, Outcome,
};
use myevents_core::testkit::fixture;

use self::fill::{Filled, book, booked, cancel, drain, fill, personal, settle};
use self::open::open;

const EVENTS: &str = "eventservice";
const BOOKINGS: &str = "bookingservice";

/// Says how to open a store of a role that was never opened before, each time another one.
pub(crate) type Fresh<'a> = &'a (dyn Fn(&str) -> StoreOptions + Sync);

/// The stores of one installation.
struct Pair {
    events: OpenStore,
    bookings: OpenStore,
}

impl Pair {
    async fn open(fresh: Fresh<'_>) -> Self {
        Self {
            events: open(&fresh(EVENTS)).await,
            bookings: open(&fresh(BOOKINGS)).await,
        }
    }

    fn parts(&self) -> [Part<'_>; 2] {
        [
            Part {
                role: EVENTS,
                store: &self.events,
            },
            Part {
                role: BOOKINGS,
                store: &self.bookings,
            },
        ]
    }

    async fn close(self) {
        self.events.store.close().await.unwrap();
        self.bookings.store.close().await.unwrap();
    }
}

/// Writes down what an export or import tells.
#[derive(Debug, Default)]
struct Told {
    faults: Vec<(u64, String)>,
    counters: Vec<String>,
    records: u64,
}

impl Watch for Told {
    fn progress(&mut self, records: u64) {
        assert!(records > self.records, "progress goes forward");
        self.records = records;
    }

    fn fault(&mut self, line: u64, reason: &str) {
        self.faults.push((line, reason.to_owned()));
    }

    fn counter(&mut self, role: &str, event: &str, finding: &str) {
        self.counters.push(format!("{role} {event}: {finding}"));
    }
}

async fn export(pair: &Pair) -> String {
    let mut file = Vec::new();
    let mut told = Told::default();
    transfer::export(&pair.parts(), ExportOptions::default(), &mut file, &mut told)
        .await
        .unwrap();
    assert!(told.counters.is_empty(), "{told:?}");
    String::from_utf8(file).unwrap()
}

async fn import(pair: &Pair, file: &str) -> (Imported, Told) {
    let mut told = Told::default();
    let done = transfer::import(&pair.parts(), &mut file.as_bytes(), &mut told)
        .await
        .unwrap();
    (done, told)
}

async fn import_whole(pair: &Pair, file: &str) -> Imported {
    let (done, told) = import(pair, file).await;
    assert!(done.is_complete(), "{done:?} {told:?}");
    done
}

/// The lines of a file but for the first, which names the kind of store. A store's own order is its own, but that of
/// messages is kept.
fn sorted(file: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = file.lines().skip(1).collect();
    lines.sort_by_key(|line| if is_message(line) { "" } else { *line });
    lines
}

fn is_message(line: &str) -> bool {
    line.contains("\"kind\":\"dead_letter\"") || line.contains("\"kind\":\"parked\"")
}

/// What holds for every store: see the single parts.
pub(crate) async fn everything_moves(fresh: Fresh<'_>) {
    everything_moves_between(fresh, fresh).await;
}

/// The same from one kind of store to another.
pub(crate) async fn everything_moves_between(old: Fresh<'_>, new: Fresh<'_>) {
    let from = Pair::open(old).await;
    let filled = fill(&from).await;
    let file = export(&from).await;
    assert_eq!(file, export(&from).await, "two exports of one state differ");
    for kind in [
        "location",
        "event",
        "copy",
        "booking",
        "counter",
        "user",
        "removed_user",
        "dead_letter",
        "audit",
        "parked",
    ] {
        assert!(
            file.contains(&format!("\"kind\":\"{kind}\"")),
            "no {kind} was exported"
        );
    }

    let to = Pair::open(new).await;
    let done = import_whole(&to, &file).await;
    assert_eq!(done.existing, 0);
    assert_eq!(sorted(&export(&to).await), sorted(&file));
    same_records(&from, &to).await;

    let again = import_whole(&to, &file).await;
    assert_eq!(again.counts, done.counts);
    assert!(again.existing > 0);
    assert_eq!(
        sorted(&export(&to).await),
        sorted(&file),
        "a repeated import changes something"
    );
    goes_on_as_before(&to, &filled, &file).await;
    from.close().await;
    to.close().await;
}

/// An import that breaks off is completed by the next one, also by another process.
pub(crate) async fn a_broken_import_is_completed(fresh: Fresh<'_>) {
    let from = Pair::open(fresh).await;
    fill(&from).await;
    let file = export(&from).await;
    let lines: Vec<_> = file.split_inclusive('\n').collect();
    for part in [2, lines.len() / 3, lines.len() - 1] {
        let places = [fresh(EVENTS), fresh(BOOKINGS)];
        let open_both = async || Pair {
            events: open(&places[0]).await,
            bookings: open(&places[1]).await,
        };
        let to = open_both().await;
        let (done, told) = import(&to, &lines[..part].concat()).await;
        assert!(!done.is_complete());
        assert!(told.faults.last().unwrap().1.contains("cut"), "{told:?}");
        to.close().await;
        let to = open_both().await;
        let done = import_whole(&to, &file).await;
        assert!(part == 2 || done.existing > 0);
        assert_eq!(sorted(&export(&to).await), sorted(&file));
        to.close().await;
    }
    from.close().await;
}

/// From the store under test into SQLite and back, by way of files that name another kind of store.
#[cfg(feature = "sqlite")]
pub(crate) async fn by_way_of_sqlite_and_back(fresh: Fresh<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let from = Pair::open(fresh).await;
    fill(&from).await;
    let file = export(&from).await;
    let between = Pair::open(&|role| StoreOptions {
        ca: None,
        kind: "sqlite".into(),
        location: folder.path().join(role).to_string_lossy().into_owned(),
        role: role.into(),
        tool: false,
        create_tables: true,
        table_prefix: String::new(),
    })
    .await;
    import_whole(&between, &file).await;
    let second = export(&between).await;
    assert_eq!(sorted(&second), sorted(&file));
    let back = Pair::open(fresh).await;
    import_whole(&back, &second).await;
    assert_eq!(sorted(&export(&back).await), sorted(&file));
    same_records(&from, &back).await;
    for pair in [from, between, back] {
        pair.close().await;
    }
}

/// What must not be taken is refused in words, and nothing is stored then.
pub(crate) async fn refusals_name_their_reason(fresh: Fresh<'_>) {
    let from = Pair::open(fresh).await;
    fill(&from).await;
    let file = export(&from).await;

    // A message waits.
    let event = fixture::event_record(fixture::event("announced"));
    let announced = fixture::announce(&event.event.id);
    let added = from.events.store.add_event(&event, announced).await.unwrap();
    settle(&*from.events.store, added).await;
    let mut told = Told::default();
    let refused = transfer::export(
        &from.parts(),
        ExportOptions::default(),
        &mut Vec::new(),
        &mut told,
    )
    .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("waiting: 1"), "{error}");
    let options = ExportOptions {
        without_messages: true,
    };
    let done = transfer::export(&from.parts(), options, &mut Vec::new(), &mut told)
        .await
        .unwrap();
    assert_eq!(done.left_out, 1);
    drain(&*from.events.store).await;

    // Stores that hold something else.
    let full = Pair::open(fresh).await;
    full.bookings
        .store
        .add_user(&fixture::user_record("al", "ready"))
        .await
        .unwrap();
    let error = transfer::import(&full.parts(), &mut file.as_bytes(), &mut told)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("store: bookingservice"), "{error}");
    let bookings = full
        .bookings
        .store
        .list_events(&all_events(), None, 10)
        .await
        .unwrap();
    assert!(bookings.items.is_empty());

    // A later export is no continuation of an earlier one.
    let to = Pair::open(fresh).await;
    import_whole(&to, &file).await;
    let mut changed = event.clone();
    changed.version = Version(2);
    from.events
        .store
        .replace_event(&changed, Version(1), Attached::nothing())
        .await
        .unwrap();
    let later = export(&from).await;
    let (done, _) = import(&to, &later).await;
    assert!(done.is_complete(), "what is new in it is added");
    changed.version = Version(3);
    from.events
        .store
        .replace_event(&changed, Version(2), Attached::nothing())
        .await
        .unwrap();
    let (done, told) = import(&to, &export(&from).await).await;
    assert_eq!(done.faults, 1);
    assert!(
        told.faults[0].1.contains("the store holds v2 of it, the file v3"),
        "{told:?}"
    );
    for pair in [from, full, to] {
        pair.close().await;
    }
}

fn all_events() -> EventFilter {
    EventFilter {
        with_cancelled: true,
        ..EventFilter::default()
    }
}

/// Both hold the same, asked through their ports.
async fn same_records(left: &Pair, right: &Pair) {
    for (a, b) in [(&left.events, &right.events), (&left.bookings, &right.bookings)] {
        assert_eq!(a.store.id_secret().expose(), b.store.id_secret().expose());
        let events = a.store.list_events(&all_events(), None, 10_000).await.unwrap();
        let same = b.store.list_events(&all_events(), None, 10_000).await.unwrap();
        assert_eq!(events, same);
        let ids: Vec<_> = events
            .items
            .iter()
            .map(|record| record.event.id.clone())
            .collect();
        assert_eq!(
            a.store.availability(&ids).await.unwrap(),
            b.store.availability(&ids).await.unwrap()
        );
        for event in &ids {
            let found = a.store.reconcile(event, false).await.unwrap();
            assert_eq!(found, b.store.reconcile(event, false).await.unwrap());
            // Without a counter it has no bookings.
            let Some(found) = found else { continue };
            assert_eq!(found.drift, 0);
            let filter = BookingFilter::all_of(BookingOwner::Event(event.clone()));
            assert_eq!(
                a.store.list_bookings(&filter, None, 10_000).await.unwrap(),
                b.store.list_bookings(&filter, None, 10_000).await.unwrap()
            );
        }
        let mut locations = a.tools.all_locations(None, 10_000).await.unwrap().items;
        let mut same = b.tools.all_locations(None, 10_000).await.unwrap().items;
        locations.sort_by(|a, b| a.location.id.cmp(&b.location.id));
        same.sort_by(|a, b| a.location.id.cmp(&b.location.id));
        assert_eq!(locations, same);
        let users = a.tools.users(None, 10_000).await.unwrap().items;
        for user in &users {
            let id = &user.user.id;
            assert_eq!(b.store.find_user(id).await.unwrap().as_ref(), Some(user));
            let filter = BookingFilter::all_of(BookingOwner::User(id.clone()));
            assert_eq!(
                a.store.list_bookings(&filter, None, 10_000).await.unwrap(),
                b.store.list_bookings(&filter, None, 10_000).await.unwrap()
            );
        }
        for user in a.tools.removed_users(None, 10_000).await.unwrap().items {
            assert!(b.tools.is_removed(&user).await.unwrap());
        }
        let letters = |page: Vec<(_, myevents_core::ports::DeadLetter)>| {
            page.into_iter().map(|(_, letter)| letter).collect::<Vec<_>>()
        };
        assert_eq!(
            letters(a.dead_letters.list(None, 100).await.unwrap().items),
            letters(b.dead_letters.list(None, 100).await.unwrap().items)
        );
    }
}

/// The moved store decides, follows and forgets as the old one would have, and what it did since stays when the file is
/// imported once more.
async fn goes_on_as_before(pair: &Pair, filled: &Filled, file: &str) {
    let store = &*pair.bookings.store;
    // Retries find their booking, as it is now.
    let retry = fixture::request_of(filled.booked.clone());
    assert_eq!(
        book(store, &retry).await,
        Outcome::Existing(filled.booked.clone())
    );
    let mut again = filled.cancelled.clone();
    (again.state, again.version) = (BookingState::Confirmed, Version::FIRST);
    let retry = fixture::request_of(again);
    assert_eq!(
        book(store, &retry).await,
        Outcome::Existing(filled.cancelled.clone())
    );
    // Capacity and limits hold.
    let more = fixture::booking_request(&filled.lowered, 1);
    assert_eq!(book(store, &more).await, Outcome::SoldOut { available: 0 });
    let more = fixture::limited_request(&filled.limited, 1, filled.person, filled.limits);
    assert_eq!(book(store, &more).await, Outcome::LimitReached);
    cancel(store, &filled.last).await;
    let more = fixture::limited_request(&filled.limited, 5, filled.person, filled.limits);
    booked(store, more).await;
    let more = fixture::limited_request(&filled.limited, 1, filled.person, filled.limits);
    assert_eq!(book(store, &more).await, Outcome::LimitReached);
    // An older announcement is old here too.
    let stored = store.find_event(&filled.lowered).await.unwrap().unwrap();
    let offered = EventProjection {
        record: EventRecord {
            version: Version(1),
            ..stored.clone()
        },
        capacity: Some(1_000),
        mode: ApplyMode::Newer,
    };
    let applied = store.project_event(&offered).await.unwrap();
    assert!(!applied.copy && !applied.counter);
    // A removed person stays removed, and another one goes.
    let event = filled.booked.event.clone();
    let late = fixture::user_record("", "");
    let mut late = personal(&event, &late, "late");
    late.booking.user = Some(filled.removed.clone());
    let granted = booked(store, late).await;
    assert_eq!((granted.user, granted.name, granted.person), (None, None, None));
    assert!(store.remove_user(&filled.user.user.id, None).await.unwrap());
    // Parked messages can be sent again.
    let parked = store.parked(None, 10).await.unwrap().items;
    assert_eq!(parked.len(), 3);
    let ids: Vec<_> = parked.iter().map(|message| message.id.clone()).collect();
    drain(store).await;
    assert_eq!(store.resend(&ids).await.unwrap(), 3);
    let claim = store.claim(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!(claim.rows.len(), 3);
    store.confirm(&claim.rows).await.unwrap();

    // A dead letter is on its way back to its consumer.
    let letters = &pair.bookings.dead_letters;
    let (letter, _) = letters.list(None, 1).await.unwrap().items.remove(0);
    assert_eq!(letters.resend(std::slice::from_ref(&letter)).await.unwrap(), 1);

    let done = import_whole(pair, file).await;
    assert!(done.existing > 0);
    let due = letters
        .take_due("bookingservice", 10, Duration::from_secs(60))
        .await;
    assert_eq!(due.unwrap().len(), 1, "what was sent back is not due any more");
    assert_eq!(store.find_user(&filled.user.user.id).await.unwrap(), None);
    let bookings = BookingFilter::all_of(BookingOwner::User(filled.user.user.id.clone()));
    assert!(
        store
            .list_bookings(&bookings, None, 10)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let last = store.find_booking(&filled.last.id).await.unwrap().unwrap();
    assert_eq!(
        last.state,
        BookingState::Cancelled,
        "it was cancelled after the move"
    );
    let found = store.reconcile(&filled.limited, false).await.unwrap().unwrap();
    assert_eq!((found.drift, found.sold), (0, 10));
    // A booking that was lost here is added again, without its person who is gone.
    let mut lost = fixture::booking(&event, 1);
    lost.user = Some(filled.removed.clone());
    lost.name = Some(fixture::text("name"));
    let tools = &pair.bookings.tools;
    let mut stored = tools.import_bookings(std::slice::from_ref(&lost)).await;
    assert_eq!(stored.remove(0).unwrap(), Inserted::New);
    let found = store.find_booking(&lost.id).await.unwrap();
    assert!(found.is_some_and(|found| found.user.is_none() && found.name.is_none()));
    let mut other = lost.clone();
    other.fingerprint = fixture::fingerprint("another request");
    let stored = tools.import_bookings(&[other, lost]).await;
    assert_eq!(stored[0].as_ref().unwrap_err().kind(), ErrorKind::Conflict);
    assert!(matches!(stored[1], Ok(Inserted::Existing(_))), "{stored:?}");
}
