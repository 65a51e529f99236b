//! MongoDB: our store, and one `findOneAndUpdate` and one insert a booking, of the same record with its message, under the same
//! indexes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use myevents_adapters::mongodb::mongodb::bson::oid::ObjectId;
use myevents_adapters::mongodb::mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use myevents_adapters::mongodb::mongodb::options::{Acknowledgment, DatabaseOptions, WriteConcern};
use myevents_adapters::mongodb::mongodb::{Client, Collection, Database};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::domain::EventId;
use myevents_core::ports::Store;

use crate::{Bare, clock};

const DATABASE: &str = "bench";
const BARE: &str = "bench_bare";

/// Our store on the server.
pub(crate) async fn store(url: &str) -> Result<Arc<dyn Store>> {
    open(url, DATABASE).await
}

async fn open(url: &str, database: &str) -> Result<Arc<dyn Store>> {
    let config = MongoConfig::service(url, "bookingservice").database(database);
    Ok(Arc::new(MongoStore::open(config, clock()).await?))
}

/// The bare driver.
#[derive(Debug)]
pub(crate) struct Direct {
    counters: Collection<Document>,
    bookings: Collection<Document>,
    events: Collection<Document>,
    event: ObjectId,
    /// A booking as our store keeps it, with its message: what an honest program stores as well.
    booking: Document,
    own: Database,
    url: String,
}

/// Records of one command.
const BATCH: usize = 1_000;

/// Of a booking with its message.
const PADDING: [u8; 500] = [7; 500];

impl Direct {
    /// `event` has a booking in our store already.
    pub(crate) async fn new(url: &str, event: &EventId) -> Result<Self> {
        let client = Client::with_uri_str(url).await?;
        let concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = DatabaseOptions::builder().write_concern(concern).build();
        // It makes the indexes.
        open(url, BARE).await?.close().await?;
        let own = client.database_with_options(BARE, options);
        let event = ObjectId::from_bytes(event.as_bytes().try_into()?);
        let counters = own.collection("counters");
        counters
            .insert_one(doc! { "_id": event, "available": 2_000_000_000_i64 })
            .await?;
        let stored: Collection<Document> = client.database(DATABASE).collection("bookings");
        let booking = stored.find_one(doc! {}).await?.context("no booking to go by")?;
        Ok(Self {
            counters,
            bookings: own.collection("bookings"),
            events: client.database(DATABASE).collection("events"),
            event,
            booking,
            own,
            url: url.to_owned(),
        })
    }
}

impl Bare for Direct {
    async fn book(&self) -> Result<()> {
        let seats = 1_i64;
        let filter = doc! { "_id": self.event, "available": { "$gte": seats } };
        let taken = self
            .counters
            .find_one_and_update(filter, doc! { "$inc": { "available": -seats } })
            .await?;
        taken.context("sold out")?;
        let mut booking = self.booking.clone();
        // As random as ours: whoever knows it may cancel.
        booking.insert("_id", ObjectId::from_bytes(rand::random()));
        self.bookings.insert_one(booking).await?;
        Ok(())
    }

    async fn read(&self) -> Result<()> {
        let found = self.events.find_one(doc! { "_id": self.event }).await?;
        found.map(drop).context("no event")
    }

    async fn relay(&self, count: usize) -> Result<Option<f64>> {
        let waiting: Collection<Document> = self
            .own
            .collection(&format!("waiting{}", ObjectId::new().to_hex()));
        let mut left = count;
        while left > 0 {
            let part = left.min(BATCH);
            waiting.insert_many((0..part).map(|_| record())).await?;
            left -= part;
        }
        let began = Instant::now();
        let mut relayed = 0;
        loop {
            let free = doc! { "outbox.until": { "$lte": 1_i64 } };
            let limit = i64::try_from(BATCH)?;
            let mut cursor = waiting
                .find(free)
                .projection(doc! { "outbox": 1 })
                .limit(limit)
                .batch_size(u32::try_from(BATCH)?)
                .await?;
            let mut ids = Vec::new();
            while cursor.advance().await? {
                ids.push(cursor.current().get_object_id("_id")?);
            }
            if ids.is_empty() {
                break;
            }
            let hold = doc! { "$set": { "outbox.$[m].until": 9_i64, "outbox.$[m].token": "bare" } };
            self.change(&waiting, &ids, |id| {
                doc! { "q": { "_id": id }, "u": hold.clone(), "arrayFilters": [ { "m.id": id.to_hex(), "m.until": { "$lte": 1_i64 } } ] }
            })
            .await?;
            self.change(
                &waiting,
                &ids,
                |id| doc! { "q": { "_id": id }, "u": { "$pull": { "outbox": { "id": id.to_hex() } } } },
            )
            .await?;
            relayed += ids.len();
        }
        let took = began.elapsed();
        ensure!(relayed == count, "{relayed} of {count}");
        waiting.drop().await?;
        Ok(Some(count as f64 / took.as_secs_f64()))
    }

    async fn new_store(&self, number: usize) -> Result<Arc<dyn Store>> {
        open(&self.url, &format!("bench_relay_{number}")).await
    }
}

impl Direct {
    /// One statement a record, all in one command; each has to change its record.
    async fn change(
        &self,
        collection: &Collection<Document>,
        ids: &[ObjectId],
        statement: impl Fn(ObjectId) -> Document,
    ) -> Result<()> {
        let statements: Vec<Bson> = ids.iter().map(|id| Bson::Document(statement(*id))).collect();
        let command = doc! {
            "update": collection.name(),
            "updates": statements,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let changed = self.own.run_command(command).await?.get_i32("nModified")?;
        ensure!(usize::try_from(changed)? == ids.len(), "{changed} changed");
        Ok(())
    }
}

/// A record of about a booking's size with one message that waits.
fn record() -> Document {
    let id = ObjectId::new();
    let body = Binary {
        subtype: BinarySubtype::Generic,
        bytes: PADDING.to_vec(),
    };
    doc! {
        "_id": id,
        "event": ObjectId::new(),
        "seats": 1_i64,
        "state": "confirmed",
        "outbox": [ { "id": id.to_hex(), "name": "event.booked", "key": id.to_hex(), "body": body, "n": 1_i64, "until": 0_i64 } ],
    }
}
