//! A database of a test's own on the shared server, and values that the MongoDB tests store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::Result;
use myevents_core::domain::{BookingId, EventId};
use myevents_core::ports::{
    BookOptions, BookingRequest, Clock, Committed, DatabaseHandler, Outcome, SystemClock,
};
use myevents_core::testkit::fixture;
use myevents_servers::Kind;

pub(crate) const ROLE: &str = "bookingservice";

/// The server that the tests of a run share; none, and the skip is noted.
pub(crate) fn server(test: &str) -> Option<String> {
    myevents_servers::require(test, Kind::Mongodb)
}

/// A new database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    url: String,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            name: format!("test_{}", ObjectId::new().to_hex()),
        }
    }

    /// The one that `store` works on, by the server that the tests share.
    pub(crate) fn of(store: &MongoStore) -> Self {
        Self {
            url: myevents_servers::find(Kind::Mongodb).expect("the server that the store is open on"),
            name: store.database().name().to_owned(),
        }
    }

    /// Where the server listens: the first address of its URL.
    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest);
        let hosts = rest.split(['/', '?']).next().unwrap_or(rest);
        let host = hosts
            .rsplit('@')
            .next()
            .unwrap_or(hosts)
            .split(',')
            .next()
            .unwrap_or(hosts);
        let host = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:27017")
        };
        std::net::ToSocketAddrs::to_socket_addrs(&host)
            .expect("the server's address can be resolved")
            .next()
            .expect("the server has an address")
    }

    pub(crate) fn config(&self) -> MongoConfig {
        patient(MongoConfig::service(&self.url, ROLE).database(&self.name))
    }

    /// The same by another way to the server, which is not to be passed by.
    pub(crate) fn config_at(&self, address: SocketAddr) -> MongoConfig {
        let url = format!(
            "mongodb://{address}/?directConnection=true&serverSelectionTimeoutMS=5000&connectTimeoutMS=5000"
        );
        patient(MongoConfig::service(url, ROLE).database(&self.name))
    }

    pub(crate) async fn open(&self, clock: Arc<dyn Clock>) -> Result<MongoStore> {
        MongoStore::open(self.config(), clock).await
    }

    pub(crate) async fn open_at(&self, address: SocketAddr, clock: Arc<dyn Clock>) -> Result<MongoStore> {
        MongoStore::open(self.config_at(address), clock).await
    }

    pub(crate) async fn open_now(&self) -> MongoStore {
        self.open(Arc::new(SystemClock))
            .await
            .expect("the store can be opened")
    }

    /// Makes a counter wrong behind the store's back.
    pub(crate) async fn plant_drift(&self, store: &MongoStore, event: &EventId, seats: i64) -> bool {
        let inventory = store.database().collection::<Document>("inventory");
        let planted = inventory
            .update_one(
                doc! { "_id": id(event.as_bytes()) },
                doc! { "$inc": { "sold": seats } },
            )
            .await;
        planted.is_ok_and(|planted| planted.matched_count == 1)
    }
}

/// A busy machine answers late; only tests of lost answers are in a hurry.
fn patient(mut config: MongoConfig) -> MongoConfig {
    config.call_timeout = Duration::from_secs(30);
    by_itself(config)
}

/// Without the task that looks every few seconds for what others left: what a test counts, arms or finds half-done is its
/// own then, however long it takes. Tests ask for a round with `recover`, and one has the task do it.
pub(crate) fn by_itself(mut config: MongoConfig) -> MongoConfig {
    config.recovery = Duration::from_secs(24 * 3600);
    config
}

/// An id as the store writes it.
pub(crate) fn id(bytes: &[u8]) -> Bson {
    Bson::ObjectId(ObjectId::from_bytes(bytes.try_into().expect("an id of 12 bytes")))
}

/// An event on sale.
pub(crate) async fn bookable(store: &MongoStore, capacity: u64) -> EventId {
    let record = fixture::event_record(fixture::event("on sale"));
    let event = record.event.id.clone();
    let applied = store
        .project_event(&fixture::projection(record, 1, Some(capacity)))
        .await
        .expect("the event can be projected");
    assert!(applied.copy && applied.counter);
    event
}

/// Books one wish.
pub(crate) async fn book(store: &MongoStore, request: &BookingRequest) -> Result<Committed<Outcome>> {
    let event = request.booking.event.clone();
    let answers = store
        .book(&event, std::slice::from_ref(request), BookOptions::default())
        .await;
    answers.into_iter().next().expect("one answer for one wish")
}

/// A wish that ends after `time`.
pub(crate) fn within(mut request: BookingRequest, time: Duration) -> BookingRequest {
    request.deadline = tokio::time::Instant::now() + time;
    request
}

/// The entries on the list of a counter.
pub(crate) async fn pending(store: &MongoStore, event: &EventId) -> usize {
    counter(store, event)
        .await
        .get_array("pending")
        .map_or(0, Vec::len)
}

/// The counter as it is stored.
pub(crate) async fn counter(store: &MongoStore, event: &EventId) -> Document {
    let inventory = store.database().collection::<Document>("inventory");
    let found = inventory.find_one(doc! { "_id": id(event.as_bytes()) }).await;
    found
        .expect("the counter can be read")
        .expect("the event has a counter")
}

/// Whether a booking is stored.
pub(crate) async fn is_stored(store: &MongoStore, booking: &BookingId) -> bool {
    store
        .find_booking(booking)
        .await
        .expect("the booking can be looked up")
        .is_some()
}

/// No drift, nothing pending, and counter + confirmed seats = capacity.
pub(crate) async fn at_rest(store: &MongoStore, event: &EventId, sold: i64) {
    let found = store
        .reconcile(event, false)
        .await
        .expect("it can be reconciled")
        .expect("there is a counter");
    assert_eq!((found.drift, found.sold), (0, sold), "{found:?}");
    if let (Some(capacity), Some(available)) = (found.capacity, found.available) {
        assert_eq!(
            i64::try_from(capacity).unwrap(),
            available + found.sold,
            "{found:?}"
        );
    }
    assert_eq!(pending(store, event).await, 0);
}
