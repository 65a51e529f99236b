//! The first look at a database: what the server can do, whose database it is, and the indexes of ours.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind as Cause;
use mongodb::options::IndexOptions;
use mongodb::{Client, IndexModel};
use myevents_core::domain::IdSecret;
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::codec::{Fields, binary};
use super::config::{MongoConfig, MongoMode};
use super::error::{Sends, malformed};
use super::link::{Collection, Link, Strength};
use crate::trust::is_unproven;

/// The one record of `meta`.
pub(super) const STORE: &str = "store";

/// The form of the records that this program writes.
const FORMAT: i64 = 1;

/// The database that the original used.
const ORIGINAL: &str = "myevents";

/// How long an index is waited for. Building one over a large collection takes its time, and goes on when nobody waits for
/// it.
const BUILDING: Duration = Duration::from_secs(60);

/// Between two looks for a server that is away.
const PAUSE: Duration = Duration::from_millis(250);

/// An index: its keys and whether records without any of them are left out.
#[derive(Debug, Clone)]
pub struct Index {
    /// The collection.
    pub collection: &'static str,
    /// The keys in their order.
    pub keys: &'static [&'static str],
    /// Whether records without any of them are left out.
    pub sparse: bool,
}

/// Every index beside `_id`. A query of a request path has the first keys of one of them, or `_id`, in its filter.
pub const INDEXES: &[Index] = &[
    Index {
        collection: "events",
        keys: &["startdate", "_id", "cancelled"],
        sparse: false,
    },
    Index {
        collection: "events",
        keys: &["otherid", "startdate", "order"],
        sparse: false,
    },
    Index {
        collection: "events",
        keys: &["name", "startdate", "_id"],
        sparse: false,
    },
    Index {
        collection: "events",
        keys: &["awaiting", "_id"],
        sparse: false,
    },
    Index {
        collection: "events",
        keys: &["outbox.until"],
        sparse: true,
    },
    Index {
        collection: "events",
        keys: &["outbox.parked"],
        sparse: true,
    },
    Index {
        collection: "locations",
        keys: &["outbox.until"],
        sparse: true,
    },
    Index {
        collection: "locations",
        keys: &["outbox.parked"],
        sparse: true,
    },
    Index {
        collection: "bookings",
        keys: &["eventid", "date", "_id"],
        sparse: false,
    },
    Index {
        collection: "bookings",
        keys: &["eventid", "state", "date", "_id"],
        sparse: false,
    },
    Index {
        collection: "bookings",
        keys: &["userid", "date", "_id"],
        sparse: false,
    },
    Index {
        collection: "bookings",
        keys: &["holder"],
        sparse: true,
    },
    Index {
        collection: "bookings",
        keys: &["outbox.until"],
        sparse: true,
    },
    Index {
        collection: "bookings",
        keys: &["outbox.parked"],
        sparse: true,
    },
    Index {
        collection: "inventory",
        keys: &["pending.at"],
        sparse: true,
    },
    Index {
        collection: "inbox",
        keys: &["done"],
        sparse: true,
    },
    Index {
        collection: "dead_letters",
        keys: &["seq", "_id"],
        sparse: false,
    },
    Index {
        collection: "dead_letters",
        keys: &["consumer", "due", "seq"],
        sparse: false,
    },
    Index {
        collection: "events",
        keys: &["audit.time"],
        sparse: true,
    },
    Index {
        collection: "locations",
        keys: &["audit.time"],
        sparse: true,
    },
    Index {
        collection: "bookings",
        keys: &["audit.time"],
        sparse: true,
    },
    Index {
        collection: "users",
        keys: &["audit.time"],
        sparse: true,
    },
    Index {
        collection: "api_keys",
        keys: &["audit.time"],
        sparse: true,
    },
    Index {
        collection: "api_keys",
        keys: &["gone"],
        sparse: true,
    },
    Index {
        collection: "audit",
        keys: &["time", "_id"],
        sparse: false,
    },
    Index {
        collection: "audit",
        keys: &["object", "time", "_id"],
        sparse: false,
    },
];

/// Opens the database within the time to open: what can be waited for is waited for.
pub(super) async fn prepare(client: Client, name: &str, config: &MongoConfig) -> Result<(Link, IdSecret)> {
    let end = Instant::now() + config.open_timeout;
    let mut told = false;
    loop {
        match attempt(&client, name, config).await {
            Ok(opened) => return Ok(opened),
            // Waiting makes no certificate another.
            Err(error) if is_unproven(&error) => return Err(unproven(config, error).with("database", name)),
            Err(error) if error.is_retryable() && Instant::now() + PAUSE < end => {
                if !told {
                    tracing::warn!(url = config.shown_url(), %error, "the database is away; waiting for it");
                    told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if error.is_retryable() => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "open store",
                    "the database can't be reached; check dbconnection, or start the database first",
                )
                .with("url", config.shown_url())
                .with("database", name)
                .caused_by(error));
            }
            Err(error) => return Err(error.with("url", config.shown_url()).with("database", name)),
        }
    }
}

/// Why a server that could not be proven was not used.
fn unproven(config: &MongoConfig, error: Error) -> Error {
    let message = match &config.ca {
        Some(_) => {
            "the server's certificate is not valid for this address by the authorities in database_tls_ca; put the authority's certificate in that file, or correct the host name in dbconnection"
        }
        None => {
            "the server's certificate is not valid for this address by the authorities of the web, or tlsCAFile; name its authority by database_tls_ca, or correct the host name in dbconnection"
        }
    };
    Error::new(ErrorKind::Config, "open store", message)
        .with("url", config.shown_url())
        .caused_by(error)
}

async fn attempt(client: &Client, name: &str, config: &MongoConfig) -> Result<(Link, IdSecret)> {
    let probe = Link::new(client.clone(), name, Strength::Lone, config.call_timeout);
    let strength = strength(&probe).await?;
    if strength == Strength::Lone && config.mode == MongoMode::Service {
        tracing::warn!(
            url = config.shown_url(),
            "the database server is no replica set: a booking is as safe as this one server's disk"
        );
    }
    let link = Link::new(client.clone(), name, strength, config.call_timeout);
    let (secret, made) = identity(&link, config).await?;
    if config.create_indexes {
        make_indexes(&link).await?;
    }
    if made {
        look_for_original(&link, config).await;
    }
    Ok((link, secret))
}

/// A replica set or a router with sessions reads linearizably and by majority. A server by itself has one state.
async fn strength(link: &Link) -> Result<Strength> {
    let admin = link.client.database("admin");
    let hello = async move {
        match admin.run_command(doc! { "hello": 1 }).await {
            Ok(answer) => Ok(answer),
            // Servers before 4.4.2, and those that are like them, know it by its old name.
            Err(error) if matches!(*error.kind, Cause::Command(_)) => {
                admin.run_command(doc! { "isMaster": 1 }).await
            }
            Err(error) => Err(error),
        }
    };
    let answer = link
        .call("ask the database what it is", Sends::Read, hello)
        .await?;
    let replicated =
        answer.contains_key("setName") || answer.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    Ok(
        if replicated && answer.contains_key("logicalSessionTimeoutMinutes") {
            Strength::Replicated
        } else {
            Strength::Lone
        },
    )
}

/// The secret of the store, and whether it was made now.
async fn identity(link: &Link, config: &MongoConfig) -> Result<(IdSecret, bool)> {
    const OPERATION: &str = "open store";
    let filter = || doc! { "_id": STORE };
    if let Some(found) = link.find_one(OPERATION, &link.meta, filter(), None).await? {
        return Ok((recognised(Fields(&found), config)?, false));
    }
    if config.mode == MongoMode::Tool {
        return Err(Error::new(
            ErrorKind::NotFound,
            OPERATION,
            "no store is here; name the database of a service that has run",
        ));
    }
    let secret: [u8; 32] = rand::random();
    let record = doc! {
        "_id": STORE,
        "role": config.role.as_str(),
        "format": FORMAT,
        "secret": binary(&secret),
    };
    let made = link.insert(OPERATION, &link.meta, record).await?;
    // Another instance may have been first, or an earlier try of this one: what is stored counts.
    let found = link
        .find_one(OPERATION, &link.meta, filter(), None)
        .await?
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                OPERATION,
                "the database has not confirmed the store yet",
            )
        })?;
    Ok((recognised(Fields(&found), config)?, made))
}

fn recognised(found: Fields<'_>, config: &MongoConfig) -> Result<IdSecret> {
    let role = found.need_str("role")?;
    if role != config.role {
        return Err(Error::new(
            ErrorKind::Config,
            "open store",
            "this database belongs to another service; name another one in dbconnection",
        )
        .with("role", role.to_owned())
        .with("wanted", &config.role));
    }
    if found.int("format")?.unwrap_or(FORMAT) > FORMAT {
        return Err(Error::new(
            ErrorKind::Config,
            "open store",
            "this database was written by a newer version of this program; start that one",
        ));
    }
    let secret = found
        .bytes("secret")?
        .and_then(|secret| <[u8; 32]>::try_from(secret).ok());
    secret
        .map(IdSecret::new)
        .ok_or_else(|| malformed("the secret of the store has not 32 bytes"))
}

async fn make_indexes(link: &Link) -> Result<()> {
    let collections: [&Collection; 9] = [
        &link.events,
        &link.locations,
        &link.bookings,
        &link.inventory,
        &link.inbox,
        &link.dead_letters,
        &link.users,
        &link.api_keys,
        &link.audit,
    ];
    for collection in collections {
        let models: Vec<IndexModel> = INDEXES
            .iter()
            .filter(|index| index.collection == collection.name())
            .map(model)
            .collect();
        let target = collection.clone();
        let work = async move { target.create_indexes(models).await };
        let began = Instant::now();
        let made = link
            .call_within("make indexes", Sends::Write, BUILDING, work)
            .await;
        match made {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Internal => {
                tracing::warn!(collection = collection.name(), %error, "an index of ours can't be made; queries may be slow");
            }
            Err(_) if began.elapsed() >= BUILDING => {
                tracing::warn!(
                    collection = collection.name(),
                    "an index of ours is still being made; queries may be slow until it is there"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn model(index: &Index) -> IndexModel {
    let keys: Document = index
        .keys
        .iter()
        .map(|key| ((*key).to_owned(), 1_i32.into()))
        .collect();
    let mut options = IndexOptions::default();
    options.name = Some(format!(
        "myevents_{}",
        index.keys.join("_").replace(['.', ' '], "_")
    ));
    options.sparse = index.sparse.then_some(true);
    IndexModel::builder().keys(keys).options(options).build()
}

/// A new, empty store of the booking service beside a database of the original: perhaps the wrong one is named.
async fn look_for_original(link: &Link, config: &MongoConfig) {
    if config.role != "bookingservice" || link.database.name() == ORIGINAL {
        return;
    }
    let original = Link::new(link.client.clone(), ORIGINAL, link.strength, link.limit);
    if let Ok(Some(_)) = link
        .find_one("look for the original", &original.events, doc! {}, None)
        .await
    {
        tracing::warn!(
            database = link.database.name(),
            "this store is new and empty, and the database `myevents` holds events: to bring over what the original \
             stored, run `myevents migrate mongodb`"
        );
    }
}
