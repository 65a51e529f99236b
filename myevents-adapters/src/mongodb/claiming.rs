//! A claim, record by record: what was read of one that waits, how its messages are held, and what a claim may hand out.

use mongodb::bson::{Bson, Document, doc};
use myevents_core::Result;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{ClaimToken, OutboxRow};

use super::codec::{Fields, id};
use super::messages::{Kind, held_rows, row_of, token_text};

/// A record whose messages wait, as it was read.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: Bson,
    /// Its messages that are not parked, under the token of the claim.
    pub(super) rows: Vec<OutboxRow>,
    /// It holds one message and nothing else: whoever holds that has all that comes before what is added later.
    pub(super) is_alone: bool,
}

impl Waiting {
    pub(super) fn read(kind: Kind, record: Fields<'_>, token: ClaimToken) -> Result<Self> {
        let elements = record.documents("outbox")?;
        let is_alone = elements.len() == 1;
        let mut rows = Vec::with_capacity(elements.len());
        for element in elements {
            if element.int("until")?.is_some() {
                rows.push(row_of(kind, record, element, token)?);
            }
        }
        Ok(Self {
            id: id(record.need_id("_id")?.as_slice()),
            rows,
            is_alone,
        })
    }

    /// The statement that holds those of its messages that are still free; without any it modifies nothing. What was
    /// added meanwhile is left out, as nobody would know that it is held.
    pub(super) fn hold(&self, token: ClaimToken, now: UnixMillis, until: UnixMillis) -> Document {
        let ids: Vec<&str> = self.rows.iter().map(|row| row.envelope.id().as_str()).collect();
        doc! {
            "q": { "_id": self.id.clone() },
            "u": { "$set": { "outbox.$[m].token": token_text(token), "outbox.$[m].until": until.0 } },
            "arrayFilters": [ { "m.id": { "$in": ids }, "m.until": { "$lte": now.0 } } ],
        }
    }
}

/// The rows of a record under `token` that may be handed out, and those behind a message that somebody else holds or that
/// is free again: another claim came between, and these are to be given back.
pub(super) fn claimed_rows(
    kind: Kind,
    record: Fields<'_>,
    token: ClaimToken,
) -> Result<(Vec<OutboxRow>, Vec<OutboxRow>)> {
    let mut rows = held_rows(kind, record, |held, _| held == token)?;
    let mut before = 0;
    for element in record.documents("outbox")? {
        if element.int("until")?.is_none() {
            continue;
        }
        if element.str("token")? != Some(token_text(token).as_str()) {
            break;
        }
        before += 1;
    }
    let behind = rows.split_off(before);
    Ok((rows, behind))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::RawDocumentBuf;

    use super::*;

    const OURS: ClaimToken = ClaimToken(7);

    /// A record with messages of these ids, times until which they are held, and tokens; `None` = parked.
    fn record(messages: &[(&str, Option<i64>, u128)]) -> RawDocumentBuf {
        let outbox: Vec<Bson> = messages
            .iter()
            .enumerate()
            .map(|(at, (message, until, token))| {
                let n = i64::try_from(at).unwrap();
                let mut element = doc! { "id": *message, "name": "event.booked", "n": n };
                match until {
                    Some(until) => {
                        element.insert("until", *until);
                        element.insert("token", token_text(ClaimToken(*token)));
                    }
                    None => {
                        element.insert("parked", n);
                    }
                }
                Bson::Document(element)
            })
            .collect();
        RawDocumentBuf::try_from(&doc! { "_id": id(&[1; 12]), "outbox": outbox }).unwrap()
    }

    fn ids(rows: &[OutboxRow]) -> Vec<&str> {
        rows.iter().map(|row| row.envelope.id().as_str()).collect()
    }

    #[test]
    fn a_record_is_alone_only_with_one_message_in_all() {
        let read = |messages: &[_]| Waiting::read(Kind::Bookings, Fields(&record(messages)), OURS).unwrap();
        let one = read(&[("a", Some(0), 0)]);
        assert!(one.is_alone);
        assert_eq!(ids(&one.rows), ["a"]);
        assert!(one.rows.iter().all(|row| row.token == OURS));
        let parked = read(&[("a", None, 0), ("b", Some(0), 0)]);
        assert!(!parked.is_alone);
        assert_eq!(ids(&parked.rows), ["b"]);
        assert!(!read(&[("a", Some(0), 0), ("b", Some(0), 0)]).is_alone);
    }

    #[test]
    fn what_is_behind_a_message_of_somebody_else_is_given_back() {
        let check = |messages: &[_], first: &[&str], behind: &[&str]| {
            let record = record(messages);
            let (rows, stray) = claimed_rows(Kind::Bookings, Fields(&record), OURS).unwrap();
            assert_eq!((ids(&rows), ids(&stray)), (first.to_vec(), behind.to_vec()));
        };
        check(&[("a", Some(9), 7), ("b", Some(9), 7)], &["a", "b"], &[]);
        check(&[("a", Some(9), 8), ("b", Some(9), 7)], &[], &["b"]);
        check(
            &[("a", Some(9), 7), ("b", Some(9), 8), ("c", Some(9), 7)],
            &["a"],
            &["c"],
        );
        // A parked message holds nothing up; a free one does.
        check(&[("a", None, 0), ("b", Some(9), 7)], &["b"], &[]);
        check(&[("a", Some(0), 0), ("b", Some(9), 7)], &[], &["b"]);
        check(&[("a", Some(9), 8)], &[], &[]);
    }
}
