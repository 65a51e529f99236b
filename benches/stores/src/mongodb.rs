//! MongoDB: our store, and one `findOneAndUpdate` and one insert a booking.

use std::sync::Arc;

use anyhow::{Context, Result};
use myevents_adapters::mongodb::mongodb::bson::oid::ObjectId;
use myevents_adapters::mongodb::mongodb::bson::{Document, doc};
use myevents_adapters::mongodb::mongodb::options::{Acknowledgment, DatabaseOptions, WriteConcern};
use myevents_adapters::mongodb::mongodb::{Client, Collection};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::domain::EventId;
use myevents_core::ports::Store;

use crate::{Bare, clock};

const DATABASE: &str = "bench";

/// Our store on the server.
pub(crate) async fn store(url: &str) -> Result<Arc<dyn Store>> {
    let config = MongoConfig::service(url, "bookingservice").database(DATABASE);
    Ok(Arc::new(MongoStore::open(config, clock()).await?))
}

/// The bare driver.
#[derive(Debug)]
pub(crate) struct Direct {
    counters: Collection<Document>,
    bookings: Collection<Document>,
    events: Collection<Document>,
    event: ObjectId,
}

impl Direct {
    pub(crate) async fn new(url: &str, event: &EventId) -> Result<Self> {
        let client = Client::with_uri_str(url).await?;
        let concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = DatabaseOptions::builder().write_concern(concern).build();
        let own = client.database_with_options("bench_bare", options);
        let event = ObjectId::from_bytes(event.as_bytes().try_into()?);
        let counters = own.collection("counters");
        counters
            .insert_one(doc! { "_id": event, "available": 2_000_000_000_i64 })
            .await?;
        Ok(Self {
            counters,
            bookings: own.collection("bookings"),
            events: client.database(DATABASE).collection("events"),
            event,
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
        self.bookings
            .insert_one(
                doc! { "_id": ObjectId::new(), "event": self.event, "seats": seats, "state": "confirmed" },
            )
            .await?;
        Ok(())
    }

    async fn read(&self) -> Result<()> {
        let found = self.events.find_one(doc! { "_id": self.event }).await?;
        found.map(drop).context("no event")
    }
}
