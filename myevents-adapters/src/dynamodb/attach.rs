//! What a write carries: its messages as outbox items, and the inbox mark it completes.

use aws_sdk_dynamodb::types::TransactWriteItem;
use myevents_core::contract::Envelope;
use myevents_core::ports::{ClaimToken, InboxToken, OutboxRow};
use myevents_core::{Error, ErrorKind, Result};

use super::expression::Expression;
use super::ids::{Place, SHARDS};
use super::inbox;
use super::names::ID;
use super::parcel::{Entry, Hold, MAX_PARCEL_BYTES, Parcel, parcel_key, weight};
use super::store::Shared;

/// What a record's earlier messages mean for its next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// None is there.
    Gone,
    /// None waits, but some are set aside and may be sent again.
    Parked(Place),
    /// One waits: the next one must wait for it.
    Waits(Place),
}

/// The actions of the messages of one write.
#[derive(Debug, Default)]
pub(super) struct Posted {
    pub(super) actions: Vec<TransactWriteItem>,
    /// Where they lie.
    pub(super) places: Vec<Place>,
    /// Those born leased.
    pub(super) leased: Vec<OutboxRow>,
    /// Where the record's next message finds this one.
    pub(super) last: Option<Place>,
}

/// Refuses a message that no outbox item holds.
pub(super) fn check_message(operation: &'static str, envelope: &Envelope) -> Result<()> {
    let weight = weight(envelope);
    if weight > MAX_PARCEL_BYTES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            operation,
            "a message is larger than the 360 KB that the outbox takes",
        )
        .with("bytes", weight));
    }
    Ok(())
}

impl Shared {
    /// Looks where the messages of `entity` stand, from the last one on.
    pub(super) async fn earlier(&self, last: Option<Place>, entity: &str) -> Result<Earlier> {
        let Some(last) = last else {
            return Ok(Earlier::Gone);
        };
        let mut parked = false;
        let mut at = Some(last);
        while let Some(place) = at {
            let Some(parcel) = self.parcel(place).await? else {
                break;
            };
            if parcel.waits_for(entity) {
                return Ok(Earlier::Waits(last));
            }
            parked |= parcel.entries.iter().any(|entry| entry.envelope.key() == entity);
            at = parcel.before(entity);
        }
        Ok(if parked {
            Earlier::Parked(last)
        } else {
            Earlier::Gone
        })
    }

    /// Reads an item of the outbox.
    pub(super) async fn parcel(&self, place: Place) -> Result<Option<Parcel>> {
        let item = self
            .clients
            .get("read outbox", &self.tables.outbox, parcel_key(place))
            .await?;
        item.as_ref().map(Parcel::from_item).transpose()
    }

    /// Makes the outbox items of a write to the record `entity`. All messages of one record lie in one shard, each with a
    /// greater id than the one before it: so their order is that of the writes, whatever the clocks say.
    pub(super) fn post(
        &self,
        operation: &'static str,
        messages: &[Envelope],
        entity: &str,
        last: Option<Place>,
        earlier: Earlier,
    ) -> Result<Posted> {
        let mut posted = Posted::default();
        let shard = last.map_or_else(|| rand::random_range(0..SHARDS), |last| last.shard);
        let mut after = match earlier {
            Earlier::Gone => None,
            Earlier::Parked(place) | Earlier::Waits(place) => Some(place),
        };
        let mut floor = last.map_or(0, |last| last.id);
        let mut seen = std::collections::HashSet::new();
        if matches!(earlier, Earlier::Waits(_)) {
            seen.insert(entity.to_owned());
        }
        let token = self.new_token();
        let mut rest = messages;
        while !rest.is_empty() {
            let count = how_many_fit(operation, rest)?;
            let (part, later) = rest.split_at(count);
            rest = later;
            floor = self.ids.above(self.now(), floor);
            let place = Place { id: floor, shard };
            posted.places.push(place);
            let mut parcel = self.parcel_of(place, part);
            let mut born = Vec::new();
            for entry in &mut parcel.entries {
                let key = entry.envelope.key();
                if key == entity {
                    entry.after = after;
                }
                // Without a key there is no order to keep.
                if key.is_empty() || seen.insert(key.to_owned()) {
                    born.push(entry.index);
                }
            }
            if part.iter().any(|message| message.key() == entity) {
                after = Some(place);
                posted.last = Some(place);
            }
            if let Some(lease) = self.config.lease
                && !born.is_empty()
            {
                posted
                    .leased
                    .extend(born.iter().map(|index| leased_row(&parcel, *index, token)));
                parcel.holds.push(Hold {
                    token,
                    until: self.now().plus(lease),
                    rows: born,
                });
            }
            let put = Expression::new().when_absent(ID);
            posted
                .actions
                .push(put.put(&self.tables.outbox, parcel.to_item())?);
        }
        Ok(posted)
    }

    fn parcel_of(&self, place: Place, messages: &[Envelope]) -> Parcel {
        let entries: Vec<_> = (0_u16..)
            .zip(messages)
            .map(|(index, envelope)| Entry {
                index,
                envelope: envelope.clone(),
                after: None,
                parked: None,
                resent: false,
            })
            .collect();
        Parcel {
            place,
            rev: 0,
            written: self.now(),
            total: u16::try_from(entries.len()).unwrap_or(u16::MAX),
            entries,
            holds: Vec::new(),
        }
    }

    /// Remembers that this instance holds messages, for when it closes.
    pub(super) fn note_held(&self, leased: &[OutboxRow]) {
        let mut held = self.held.lock();
        held.extend(
            leased
                .iter()
                .filter_map(|row| super::ids::Row::parse(&row.id).map(|row| row.place)),
        );
    }

    /// The action that completes the mark of a write.
    pub(super) fn mark_action(&self, mark: &InboxToken) -> Result<TransactWriteItem> {
        inbox::completing(mark, self.now(), true).update(&self.tables.state, inbox::mark_key(mark))
    }
}

pub(super) fn leased_row(parcel: &Parcel, index: u16, token: u128) -> OutboxRow {
    OutboxRow {
        id: parcel.row(index).to_id(),
        token: ClaimToken(token),
        envelope: parcel.entries[usize::from(index)].envelope.clone(),
    }
}

/// How many messages from the front fit into one item.
fn how_many_fit(operation: &'static str, messages: &[Envelope]) -> Result<usize> {
    let mut bytes = 0;
    for (count, message) in messages.iter().enumerate() {
        check_message(operation, message)?;
        bytes += weight(message);
        if bytes > MAX_PARCEL_BYTES {
            return Ok(count);
        }
    }
    Ok(messages.len())
}

/// The refusal of a write whose message was handled by somebody else meanwhile.
pub(super) fn mark_lost() -> Error {
    Error::new(
        ErrorKind::Precondition,
        "complete message",
        "the message that this write handles is done or was taken over",
    )
}
