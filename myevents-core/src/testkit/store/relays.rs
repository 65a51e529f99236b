//! S12: two relays empty one outbox of 5,000 rows.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::StoreBed;
use super::tools::{LEASE, PAST_ALL_LEASES, pair};
use crate::contract::{Envelope, MessageId};
use crate::domain::Version;
use crate::error::Result;
use crate::ports::{Attached, Claim, ClaimToken, OutboxRow, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

const ENTITIES: usize = 1_000;
const MESSAGES: usize = 5;

/// What the relays have seen, by entity.
#[derive(Debug, Default)]
struct Watch {
    places: HashMap<MessageId, (usize, usize)>,
    confirmed: Vec<usize>,
    emitted: Vec<usize>,
    held: HashMap<usize, ClaimToken>,
    duplicates: usize,
}

impl Watch {
    fn place(&self, row: &OutboxRow) -> Result<(usize, usize), Failure> {
        let place = self.places.get(row.envelope.id()).copied();
        place.ok_or_else(|| Failure::new("a row that nobody wrote"))
    }

    /// Checks a claim: nobody holds its entities, and it takes a gap-free prefix of each.
    fn taken(&mut self, claim: &Claim) -> Result<(), Failure> {
        let mut next: HashMap<usize, usize> = HashMap::new();
        for row in &claim.rows {
            ensure!(row.token == claim.token, "a row has another token than its claim");
            let (entity, index) = self.place(row)?;
            if let Some(holder) = self.held.get(&entity) {
                ensure!(
                    *holder == claim.token,
                    "a row of an entity was taken while another claim holds it"
                );
            }
            self.held.insert(entity, claim.token);
            let expected = next.entry(entity).or_insert(self.confirmed[entity]);
            ensure!(
                index == *expected,
                "message {index} of an entity was taken where {expected} is next"
            );
            *expected += 1;
        }
        Ok(())
    }

    /// Checks that a message goes out after all earlier ones of its entity did.
    fn emit(&mut self, row: &OutboxRow) -> Result<(), Failure> {
        let (entity, index) = self.place(row)?;
        let emitted = &mut self.emitted[entity];
        ensure!(
            index <= *emitted,
            "message {index} of an entity went out after {emitted} messages"
        );
        if index == *emitted {
            *emitted += 1;
        } else {
            self.duplicates += 1;
        }
        Ok(())
    }

    fn let_go(&mut self, rows: &[OutboxRow]) -> Result<(), Failure> {
        for row in rows {
            let (entity, _) = self.place(row)?;
            self.held.remove(&entity);
        }
        Ok(())
    }
}

/// No row held twice at once, order per entity kept, expired leases come back, all of them go out.
///
/// # Errors
/// What does not hold.
pub async fn s12_two_relays(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let watch = Arc::new(Mutex::new(Watch {
        confirmed: vec![0; ENTITIES],
        emitted: vec![0; ENTITIES],
        ..Watch::default()
    }));
    let written: Vec<Vec<Envelope>> = stream::iter(0..ENTITIES)
        .map(|entity| write(Arc::clone(&stores[entity % 2]), entity))
        .buffered(64)
        .try_collect()
        .await?;
    for (entity, messages) in written.iter().enumerate() {
        for (index, message) in messages.iter().enumerate() {
            watch.lock().places.insert(message.id().clone(), (entity, index));
        }
    }
    let rows = stores[1].depth().await?.rows;
    ensure!(
        rows == (ENTITIES * MESSAGES) as u64,
        "{rows} rows after the writes"
    );
    let mut rounds = 0;
    while stores[0].depth().await?.rows > 0 {
        rounds += 1;
        ensure!(rounds < 200, "the outbox does not get empty");
        let relays = [0, 1].map(|relay| {
            let store = Arc::clone(&stores[relay]);
            tokio::spawn(relay_round(store, Arc::clone(&watch), rounds * 2 + relay as u64))
        });
        for relay in relays {
            relay.await??;
        }
        bed.pass(PAST_ALL_LEASES).await;
        watch.lock().held.clear();
    }
    let watch = watch.lock();
    ensure!(
        watch.emitted.iter().all(|emitted| *emitted == MESSAGES),
        "messages are lost"
    );
    Ok(Finding::counted(format!(
        "{} rows in {rounds} rounds of lost leases, {} repeats",
        ENTITIES * MESSAGES,
        watch.duplicates
    )))
}

/// Writes the messages of one entity; every second writer loses what was born leased to it.
async fn write(store: Arc<dyn Store>, entity: usize) -> Result<Vec<Envelope>, Failure> {
    let record = fixture::event_record(fixture::event(&format!("entity {entity}")));
    let key = record.event.id.to_string();
    let messages: Vec<_> = (0..MESSAGES)
        .map(|_| fixture::message("event.updated", &key))
        .collect();
    let mut leased = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let attached = Attached::announcement(message.clone());
        let committed = if index == 0 {
            store.add_event(&record, attached).await?.map(|_| ())
        } else {
            store
                .announce_event(&record.event.id, Version::FIRST, attached)
                .await?
        };
        ensure!(
            committed.leased.len() == usize::from(index == 0),
            "message {index} of an entity: {} born leased",
            committed.leased.len()
        );
        leased.extend(committed.leased);
    }
    if entity.is_multiple_of(2) {
        store.release(&leased).await?;
    }
    Ok(messages)
}

/// Claims until nothing is left to claim; now and then it gives rows back, or dies with them.
async fn relay_round(store: Arc<dyn Store>, watch: Arc<Mutex<Watch>>, seed: u64) -> Result<(), Failure> {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..10_000 {
        let limit = random.random_range(1..=120);
        let claim = store.claim(limit, LEASE).await?;
        if claim.rows.is_empty() {
            return Ok(());
        }
        ensure!(
            claim.rows.len() <= limit,
            "{} rows where {limit} were asked for",
            claim.rows.len()
        );
        watch.lock().taken(&claim)?;
        tokio::task::yield_now().await;
        let fate = random.random_range(0..20);
        if fate == 0 {
            continue;
        }
        let sent = match fate {
            1..3 => random.random_range(0..=claim.rows.len()),
            _ => claim.rows.len(),
        };
        for row in &claim.rows[..sent] {
            watch.lock().emit(row)?;
        }
        if fate == 3 {
            continue;
        }
        {
            let mut watch = watch.lock();
            for row in &claim.rows[..sent] {
                let (entity, index) = watch.place(row)?;
                watch.confirmed[entity] = index + 1;
            }
            watch.let_go(&claim.rows)?;
        }
        store.confirm(&claim.rows[..sent]).await?;
        store.release(&claim.rows[sent..]).await?;
    }
    Err(Failure::new("a relay never finds the outbox empty"))
}
