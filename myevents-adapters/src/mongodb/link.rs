//! The way to the server: collections with our own read and write concern, and calls that are never dropped half-way.
//!
//! Every call runs in a task of its own and is waited for within a time limit. Who stops waiting leaves it to end by
//! itself; its outcome is unknown then.

use std::time::Duration;

use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::error::{Error as Driver, ErrorKind as Cause};
use mongodb::options::{
    CollectionOptions, FindOneAndUpdateOptions, FindOptions, ReadConcern, ReadPreference, ReturnDocument,
    SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::error::{DUPLICATE_KEY, Sends, UNMET_CONCERN, fault, timed_out, write_error};

/// Documents as they came, decoded by us.
pub(super) type Collection = mongodb::Collection<RawDocumentBuf>;

/// The most updates of one command.
const MOST_STATEMENTS: usize = 1_000;

/// A read that may look through many documents.
const LONG: Duration = Duration::from_secs(30);

/// What the server can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// A replica set or a router: linearizable and majority reads, sessions.
    Replicated,
    /// A server by itself: what it answers is what it has.
    Lone,
}

/// The collections of one store.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) database: Database,
    pub(super) strength: Strength,
    pub(super) limit: Duration,
    pub(super) events: Collection,
    pub(super) locations: Collection,
    pub(super) users: Collection,
    pub(super) bookings: Collection,
    pub(super) inventory: Collection,
    pub(super) holders: Collection,
    pub(super) inbox: Collection,
    pub(super) dead_letters: Collection,
    pub(super) api_keys: Collection,
    pub(super) audit: Collection,
    pub(super) meta: Collection,
}

/// What an unordered insert did.
#[derive(Debug)]
pub(super) struct Insertion {
    /// The places of those whose id was there.
    pub(super) duplicates: Vec<usize>,
}

fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

fn write_concern(limit: Duration) -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = Some(limit);
    concern
}

impl Link {
    pub(super) fn new(client: Client, name: &str, strength: Strength, limit: Duration) -> Self {
        let database = client.database(name);
        let collection = |name: &str| {
            let mut options = CollectionOptions::default();
            options.selection_criteria = Some(primary());
            options.read_concern = match strength {
                Strength::Replicated => Some(ReadConcern::majority()),
                Strength::Lone => Some(ReadConcern::local()),
            };
            options.write_concern = Some(write_concern(limit));
            database.collection_with_options(name, options)
        };
        Self {
            strength,
            limit,
            events: collection("events"),
            locations: collection("locations"),
            users: collection("users"),
            bookings: collection("bookings"),
            inventory: collection("inventory"),
            holders: collection("holders"),
            inbox: collection("inbox"),
            dead_letters: collection("dead_letters"),
            api_keys: collection("api_keys"),
            audit: collection("audit"),
            meta: collection("meta"),
            database,
            client,
        }
    }

    /// Runs `work` in a task of its own and waits for it within `limit`.
    pub(super) async fn call_within<T: Send + 'static>(
        &self,
        operation: &'static str,
        sends: Sends,
        limit: Duration,
        work: impl Future<Output = Result<T, Driver>> + Send + 'static,
    ) -> Result<T> {
        match timeout(limit, tokio::spawn(work)).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(source))) => Err(fault(operation, sends, source)),
            Ok(Err(panic)) => Err(timed_out(operation, sends).caused_by(panic)),
            Err(_elapsed) => Err(timed_out(operation, sends)),
        }
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        sends: Sends,
        work: impl Future<Output = Result<T, Driver>> + Send + 'static,
    ) -> Result<T> {
        self.call_within(operation, sends, self.limit, work).await
    }

    pub(super) async fn find_one(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        projection: Option<Document>,
    ) -> Result<Option<RawDocumentBuf>> {
        let collection = collection.clone();
        let work = async move {
            let find = collection.find_one(filter);
            match projection {
                Some(projection) => find.projection(projection).await,
                None => find.await,
            }
        };
        self.call(operation, Sends::Read, work).await
    }

    /// All documents of a query, each decoded by `decode`, which may leave one out. Ends once `most` are taken.
    pub(super) async fn find<T: Send + 'static>(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        options: FindOptions,
        most: usize,
        mut decode: impl FnMut(&RawDocument) -> Result<Option<T>> + Send + 'static,
    ) -> Result<Vec<T>> {
        let collection = collection.clone();
        let work = async move {
            let mut cursor = collection.find(filter).with_options(options).await?;
            let mut items = Vec::new();
            while items.len() < most && cursor.advance().await? {
                match decode(cursor.current()) {
                    Ok(item) => items.extend(item),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(items))
        };
        self.call_within(operation, Sends::Read, self.limit.max(LONG), work)
            .await?
    }

    /// The documents that a pipeline makes.
    pub(super) async fn aggregate<T: Send + 'static>(
        &self,
        operation: &'static str,
        collection: &Collection,
        pipeline: Vec<Document>,
        mut decode: impl FnMut(&RawDocument) -> Result<T> + Send + 'static,
    ) -> Result<Vec<T>> {
        let collection = collection.clone();
        let work = async move {
            let mut cursor = collection.aggregate(pipeline).await?;
            let mut items = Vec::new();
            while cursor.advance().await? {
                match decode(cursor.current()) {
                    Ok(item) => items.push(item),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(items))
        };
        self.call_within(operation, Sends::Read, self.limit.max(LONG), work)
            .await?
    }

    /// Inserts a document; answers `false` when its id is there.
    pub(super) async fn insert(
        &self,
        operation: &'static str,
        collection: &Collection,
        document: Document,
    ) -> Result<bool> {
        let collection = collection.clone();
        let work = async move { collection.insert_one(RawDocumentBuf::try_from(&document)?).await };
        match self.call(operation, Sends::Write, work).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Inserts documents whatever becomes of the others; the ids of some may be there already.
    pub(super) async fn insert_unordered(
        &self,
        operation: &'static str,
        collection: &Collection,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<Insertion> {
        let collection = collection.clone();
        let work = async move {
            match collection.insert_many(documents).ordered(false).await {
                Ok(_) => Ok(Insertion {
                    duplicates: Vec::new(),
                }),
                Err(error) => only_duplicates(error),
            }
        };
        self.call(operation, Sends::Write, work).await
    }

    /// Changes one document; answers whether the filter matched one.
    pub(super) async fn update(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let collection = collection.clone();
        let work = async move { collection.update_one(filter, update).await };
        let result = self.call(operation, Sends::Write, work).await?;
        Ok(result.matched_count > 0)
    }

    /// Changes one document and answers what `projection` shows of it afterwards; none when the filter matched none.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        update: Document,
        projection: Option<Document>,
    ) -> Result<Option<RawDocumentBuf>> {
        self.change_within(operation, collection, filter, update, projection, self.limit)
            .await
    }

    pub(super) async fn change_within(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        update: Document,
        projection: Option<Document>,
        limit: Duration,
    ) -> Result<Option<RawDocumentBuf>> {
        let collection = collection.clone();
        let mut options = FindOneAndUpdateOptions::default();
        options.return_document = Some(ReturnDocument::After);
        options.projection = projection;
        let work = async move {
            collection
                .find_one_and_update(filter, update)
                .with_options(options)
                .await
        };
        self.call_within(operation, Sends::Write, limit, work).await
    }

    /// Changes all documents of a filter; answers how many it matched.
    pub(super) async fn update_all(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
        update: Document,
        array_filters: Vec<Document>,
    ) -> Result<u64> {
        let collection = collection.clone();
        let work = async move {
            let update = collection.update_many(filter, update);
            if array_filters.is_empty() {
                update.await
            } else {
                update.array_filters(array_filters).await
            }
        };
        let limit = self.limit.max(LONG);
        let result = self.call_within(operation, Sends::Write, limit, work).await?;
        Ok(result.matched_count)
    }

    /// Deletes all documents of a filter; answers how many.
    pub(super) async fn delete_all(
        &self,
        operation: &'static str,
        collection: &Collection,
        filter: Document,
    ) -> Result<u64> {
        let collection = collection.clone();
        let work = async move { collection.delete_many(filter).await };
        let limit = self.limit.max(LONG);
        let result = self.call_within(operation, Sends::Write, limit, work).await?;
        Ok(result.deleted_count)
    }

    /// Runs many small updates of one collection in few calls, whatever becomes of each; answers how many of them modified
    /// a document. The driver's own bulk write needs a server of version 8.
    pub(super) async fn bulk(
        &self,
        operation: &'static str,
        collection: &Collection,
        statements: Vec<Document>,
    ) -> Result<usize> {
        let mut modified = 0;
        let mut left = statements.into_iter().peekable();
        while left.peek().is_some() {
            let part = left.by_ref().take(MOST_STATEMENTS).map(Bson::Document).collect();
            modified += self.bulk_part(operation, collection, part).await?;
        }
        Ok(modified)
    }

    async fn bulk_part(
        &self,
        operation: &'static str,
        collection: &Collection,
        statements: Vec<Bson>,
    ) -> Result<usize> {
        let wtimeout = i64::try_from(self.limit.as_millis()).unwrap_or(i64::MAX);
        let command = doc! {
            "update": collection.name(),
            "updates": statements,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": wtimeout },
        };
        let database = self.database.clone();
        let work = async move { database.run_command(command).selection_criteria(primary()).await };
        let limit = self.limit.max(LONG);
        let answer = self.call_within(operation, Sends::Write, limit, work).await?;
        if answer.contains_key("writeConcernError") {
            return Err(write_error(operation, UNMET_CONCERN));
        }
        if let Some(Bson::Document(first)) = answer.get_array("writeErrors").ok().and_then(|all| all.first())
        {
            return Err(write_error(operation, first.get_i32("code").unwrap_or_default()));
        }
        let modified = match answer.get("nModified") {
            Some(Bson::Int32(count)) => usize::try_from(*count).ok(),
            Some(Bson::Int64(count)) => usize::try_from(*count).ok(),
            _ => None,
        };
        modified.ok_or_else(|| {
            Error::new(
                ErrorKind::OutcomeUnknown,
                operation,
                "the database's answer to a write can't be decoded",
            )
        })
    }
}

/// The duplicates of an insert, if they are all that was wrong with it.
fn only_duplicates(error: Driver) -> Result<Insertion, Driver> {
    match &*error.kind {
        Cause::InsertMany(failed)
            if failed.write_concern_error.is_none()
                && failed
                    .write_errors
                    .iter()
                    .flatten()
                    .all(|error| error.code == DUPLICATE_KEY) =>
        {
            let errors = failed.write_errors.iter().flatten();
            Ok(Insertion {
                duplicates: errors.map(|error| error.index).collect(),
            })
        }
        _ => Err(error),
    }
}
