//! The tables: made where they are missing, checked where they are there, and whose they are.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus,
};
use myevents_core::domain::IdSecret;
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::client::Clients;
use super::codec::state_key;
use super::config::DynamoConfig;
use super::error::{fault, malformed, unbuilt};
use super::expression::Expression;
use super::item::{Item, bytes, get_bytes, get_text, number, opt_number, text};
use super::names::*;

/// The layout of the tables that this program writes.
const LAYOUT: u64 = 1;

/// How long tables and indexes may take to be made; an index of a large table takes as long as reading it.
const MADE_WITHIN: Duration = Duration::from_secs(600);

use ScalarAttributeType::{B, N, S};

struct Index {
    name: &'static str,
    partition: (&'static str, ScalarAttributeType),
    sort: Option<(&'static str, ScalarAttributeType)>,
    holds: Holds,
}

enum Holds {
    All,
    Keys,
    These(&'static [&'static str]),
}

struct Table {
    name: String,
    partition: (&'static str, ScalarAttributeType),
    sort: Option<(&'static str, ScalarAttributeType)>,
    indexes: Vec<Index>,
}

fn by_id(name: &str, indexes: Vec<Index>) -> Table {
    Table {
        name: name.to_owned(),
        partition: (ID, B),
        sort: None,
        indexes,
    }
}

fn layout(tables: &Tables) -> Vec<Table> {
    let listing = || Index {
        name: LISTING,
        partition: (LIST_SHARD, S),
        sort: Some((LIST_KEY, S)),
        holds: Holds::All,
    };
    let by_name = Index {
        name: BY_NAME,
        partition: (EVENT_NAME, S),
        sort: None,
        holds: Holds::These(&[LIST_KEY, "StartDate", "Cancelled"]),
    };
    let of_event = Index {
        name: BY_EVENT,
        partition: (EVENT_SHARD, S),
        sort: Some((DATE_ID, S)),
        holds: Holds::All,
    };
    let of_user = Index {
        name: BY_USER,
        partition: (USER_ID, B),
        sort: Some((DATE_ID, S)),
        holds: Holds::All,
    };
    let done = Index {
        name: DONE,
        partition: (DONE_SHARD, S),
        sort: Some((DONE_AT, N)),
        holds: Holds::Keys,
    };
    vec![
        by_id(&tables.events, vec![by_name, listing()]),
        by_id(&tables.locations, vec![listing()]),
        by_id(&tables.users, Vec::new()),
        by_id(&tables.bookings, vec![of_event, of_user]),
        by_id(&tables.inventory, Vec::new()),
        Table {
            name: tables.outbox.clone(),
            partition: (SHARD, N),
            sort: Some((ID, B)),
            indexes: Vec::new(),
        },
        Table {
            name: tables.state.clone(),
            partition: (KIND, S),
            sort: Some((ID, B)),
            indexes: vec![done],
        },
    ]
}

fn keys(
    partition: &(&'static str, ScalarAttributeType),
    sort: Option<&(&'static str, ScalarAttributeType)>,
) -> Result<Vec<KeySchemaElement>> {
    std::iter::once((partition, KeyType::Hash))
        .chain(sort.map(|sort| (sort, KeyType::Range)))
        .map(|((name, _), role)| {
            KeySchemaElement::builder()
                .attribute_name(*name)
                .key_type(role)
                .build()
                .map_err(unbuilt)
        })
        .collect()
}

fn definitions<'t>(
    parts: impl Iterator<Item = &'t (&'static str, ScalarAttributeType)>,
) -> Result<Vec<AttributeDefinition>> {
    let mut seen = std::collections::BTreeMap::new();
    for (name, kind) in parts {
        seen.insert(*name, kind.clone());
    }
    seen.into_iter()
        .map(|(name, kind)| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .map_err(unbuilt)
        })
        .collect()
}

impl Index {
    fn parts(&self) -> impl Iterator<Item = &(&'static str, ScalarAttributeType)> {
        std::iter::once(&self.partition).chain(self.sort.as_ref())
    }

    fn projection(&self) -> Projection {
        let projection = Projection::builder();
        match self.holds {
            Holds::All => projection.projection_type(ProjectionType::All),
            Holds::Keys => projection.projection_type(ProjectionType::KeysOnly),
            Holds::These(names) => projection
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(names.iter().map(|name| (*name).to_owned()).collect())),
        }
        .build()
    }

    fn described(&self) -> Result<GlobalSecondaryIndex> {
        GlobalSecondaryIndex::builder()
            .index_name(self.name)
            .set_key_schema(Some(keys(&self.partition, self.sort.as_ref())?))
            .projection(self.projection())
            .build()
            .map_err(unbuilt)
    }
}

impl Table {
    async fn describe(&self, clients: &Clients) -> Result<Option<TableDescription>> {
        let described = clients.reads.describe_table().table_name(&self.name).send().await;
        match described {
            Ok(described) => Ok(described.table),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(fault("describe table", error).of_read().with("table", &self.name)),
        }
    }

    async fn create(&self, clients: &Clients) -> Result<()> {
        let parts = std::iter::once(&self.partition)
            .chain(self.sort.as_ref())
            .chain(self.indexes.iter().flat_map(Index::parts));
        let indexes = self
            .indexes
            .iter()
            .map(Index::described)
            .collect::<Result<Vec<_>>>()?;
        let made = clients
            .writes
            .create_table()
            .table_name(&self.name)
            .set_attribute_definitions(Some(definitions(parts)?))
            .set_key_schema(Some(keys(&self.partition, self.sort.as_ref())?))
            .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await;
        match made {
            Ok(_) => Ok(()),
            // Another process makes it at this moment.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(fault("make table", error).of_write().with("table", &self.name)),
        }
    }

    fn missing_index(&self, described: &TableDescription) -> Option<&Index> {
        self.indexes.iter().find(|index| {
            !described
                .global_secondary_indexes()
                .iter()
                .any(|found| found.index_name() == Some(index.name))
        })
    }

    async fn add_index(&self, clients: &Clients, index: &Index) -> Result<()> {
        let action = CreateGlobalSecondaryIndexAction::builder()
            .index_name(index.name)
            .set_key_schema(Some(keys(&index.partition, index.sort.as_ref())?))
            .projection(index.projection())
            .build()
            .map_err(unbuilt)?;
        let update = GlobalSecondaryIndexUpdate::builder().create(action).build();
        let parts = std::iter::once(&self.partition)
            .chain(self.sort.as_ref())
            .chain(index.parts());
        let added = clients
            .writes
            .update_table()
            .table_name(&self.name)
            .set_attribute_definitions(Some(definitions(parts)?))
            .global_secondary_index_updates(update)
            .send()
            .await;
        match added {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(fault("make index", error)
                .of_write()
                .with("table", &self.name)
                .with("index", index.name)),
        }
    }

    /// Refuses a table whose key is not ours: it is something else of the same name.
    fn check_key(&self, described: &TableDescription) -> Result<()> {
        let is_ours = keys(&self.partition, self.sort.as_ref())? == described.key_schema()
            && described.attribute_definitions().iter().all(|found| {
                [Some(&self.partition), self.sort.as_ref()]
                    .into_iter()
                    .flatten()
                    .all(|(name, kind)| found.attribute_name() != *name || found.attribute_type() == kind)
            });
        if is_ours {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            "open DynamoDB",
            "a table of this name has another key; set `table_prefix` to a prefix of this service's own",
        )
        .with("table", &self.name))
    }

    /// Makes the table and its indexes, and waits until they can be used.
    async fn ensure(&self, clients: &Clients, create: bool) -> Result<()> {
        let deadline = Instant::now() + MADE_WITHIN;
        let mut asked = false;
        loop {
            let described = self.describe(clients).await?;
            match described {
                None if !create => return Err(self.missing(None)),
                None if asked => {}
                None => match self.create(clients).await {
                    Ok(()) => {
                        asked = true;
                        continue;
                    }
                    // It may be on its way all the same: asking again tells, and is harmless.
                    Err(error) if error.is_retryable() => {}
                    Err(error) => return Err(error),
                },
                Some(described) => {
                    self.check_key(&described)?;
                    let ready = is_active(&described);
                    match self.missing_index(&described) {
                        Some(index) if !create => return Err(self.missing(Some(index.name))),
                        // One index at a time can be made.
                        Some(index) if ready => match self.add_index(clients, index).await {
                            Err(error) if !error.is_retryable() => return Err(error),
                            _ => {}
                        },
                        None if ready => return Ok(()),
                        _ => {}
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "open DynamoDB",
                    "a table or index is not ready yet; start again later",
                )
                .with("table", &self.name));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn missing(&self, index: Option<&'static str>) -> Error {
        let error = Error::new(
            ErrorKind::Config,
            "open DynamoDB",
            "a table or index is missing; set `create_tables` to true, make it as the docs say, or check `table_prefix` and the region",
        )
        .with("table", &self.name);
        match index {
            Some(index) => error.with("index", index),
            None => error,
        }
    }
}

fn is_active(described: &TableDescription) -> bool {
    described.table_status() == Some(&TableStatus::Active)
        && described
            .global_secondary_indexes()
            .iter()
            .all(|index| index.index_status() == Some(&IndexStatus::Active))
}

/// The item that says whose tables these are.
pub(super) fn identity_key() -> Item {
    state_key("store", b"identity")
}

/// What was found or made at the opening.
pub(super) struct Identity {
    pub(super) secret: IdSecret,
    /// The items of the original that may be there have not been taken over yet.
    pub(super) is_new: bool,
}

/// Makes or checks the tables, and reads whose they are.
pub(super) async fn prepare(clients: &Clients, tables: &Tables, config: &DynamoConfig) -> Result<Identity> {
    let all = layout(tables);
    if config.tool {
        // A command that is pointed at the wrong place must not find a sound, empty store there.
        for table in &all {
            table.ensure(clients, false).await.map_err(|error| {
                if error.kind() == ErrorKind::Config {
                    error.with("hint", "no service has been here")
                } else {
                    error
                }
            })?;
        }
    } else {
        let ensured = all
            .iter()
            .map(|table| table.ensure(clients, config.create_tables));
        futures_util::future::try_join_all(ensured).await?;
    }
    identify(clients, tables, config).await
}

async fn identify(clients: &Clients, tables: &Tables, config: &DynamoConfig) -> Result<Identity> {
    for _ in 0..3 {
        if let Some(item) = clients
            .get("open DynamoDB", &tables.state, identity_key())
            .await?
        {
            return read_identity(&item, tables, config);
        }
        if config.tool {
            return Err(Error::new(
                ErrorKind::NotFound,
                "open DynamoDB",
                "no service has used these tables; name those of a service that has run",
            )
            .with("table", &tables.state));
        }
        let mut item = identity_key();
        item.insert("Role".into(), text(config.role.as_str()));
        item.insert(SECRET.into(), bytes(&rand::random::<[u8; 32]>()));
        item.insert("Layout".into(), number(LAYOUT));
        let new = Expression::new().when_absent(ID);
        let put = clients
            .writes
            .put_item()
            .table_name(&tables.state)
            .set_item(Some(item))
            .set_condition_expression(new.condition())
            .set_expression_attribute_names(new.names())
            .send()
            .await;
        // Whoever was first is read in the next round, and so is a put whose answer was lost.
        if let Err(error) = put
            && !error
                .as_service_error()
                .is_some_and(|error| error.is_conditional_check_failed_exception())
        {
            let error = fault("open DynamoDB", error).of_write();
            if !error.is_retryable() {
                return Err(error);
            }
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        "open DynamoDB",
        "the identity of the store can't be written",
    ))
}

fn read_identity(item: &Item, tables: &Tables, config: &DynamoConfig) -> Result<Identity> {
    let role = get_text(item, "Role")?;
    if role != config.role {
        return Err(Error::new(
            ErrorKind::Config,
            "open DynamoDB",
            "these tables are another service's; set `table_prefix` to a prefix of this service's own",
        )
        .with("table", &tables.state)
        .with("role", role)
        .with("expected", &config.role));
    }
    let layout: u64 = opt_number(item, "Layout")?.unwrap_or(0);
    if layout > LAYOUT {
        return Err(Error::new(
            ErrorKind::Config,
            "open DynamoDB",
            "these tables were written by a newer version of this program",
        )
        .with("layout", layout));
    }
    let secret: [u8; 32] = get_bytes(item, SECRET)?
        .try_into()
        .map_err(|_| malformed("the secret of the store has not 32 bytes"))?;
    Ok(Identity {
        secret: IdSecret::new(secret),
        is_new: item.get("Adopted").is_none(),
    })
}
