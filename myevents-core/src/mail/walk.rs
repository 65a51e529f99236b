//! The walk over the holders of a cancelled event: page by page, and then again those whom the mail server put off.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::holders::{Holders, POSTPONED, address, goes_on, later};
use super::letter::About;
use crate::domain::{BookingId, BookingState, Event, UnixMillis};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{BookingCursor, BookingFilter, BookingOwner};

/// How many bookings are read, and how many of those that were put off are asked again, in one go.
const PAGE: usize = 100;
/// So many put off in a row while nobody else is mailed either, and the server means us and not them.
const MANY: usize = 20;

/// How far the holders of a cancelled event are told. Another process, or the next start, begins anew, and the inbox knows the rest.
#[derive(Debug, Default)]
pub(super) struct Walk {
    after: Option<BookingCursor>,
    /// All pages were read.
    read: bool,
    /// Those who are asked again in this pass.
    again: Vec<BookingId>,
    /// Those whom the server put off in this pass.
    put_off: BTreeSet<BookingId>,
    /// How many mails of any kind were accepted by the end of the pass before.
    accepted: Option<u64>,
}

#[derive(Default)]
struct Told {
    done: usize,
    put_off: Vec<BookingId>,
    /// Those who were not asked any more.
    left: Vec<BookingId>,
    failed: Option<Error>,
}

impl Holders {
    /// Mails all holders who were not told in an earlier round. The error says that some are left: `Unavailable` where the next
    /// round goes on at once or the server takes nothing, and [`POSTPONED`] where all were asked and it put some off.
    pub(super) async fn walk(
        &self,
        event: &Event,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Result<()> {
        let mut walk = self.walks.lock().remove(&event.id).unwrap_or_default();
        let walked = self.go_on(&mut walk, event, said, enough).await;
        if walked.is_err() {
            self.walks.lock().insert(event.id.clone(), walk);
        }
        walked
    }

    async fn go_on(
        &self,
        walk: &mut Walk,
        event: &Event,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Result<()> {
        if walk.read {
            self.ask_again(walk, event, said, enough).await?;
        } else {
            self.read_pages(walk, event, said, enough).await?;
        }
        if walk.put_off.is_empty() {
            return Ok(());
        }
        // Whether the server puts everybody off or these alone is seen by the mails to others. Were it taken for away because of
        // these, they would be tried for ever.
        let accepted = self.accepted.load(Ordering::Relaxed);
        let nobody_else = walk.accepted.replace(accepted) == Some(accepted);
        if nobody_else && walk.put_off.len() >= MANY {
            return Err(puts_all_off());
        }
        Err(later("the mail server put holders off"))
    }

    async fn read_pages(
        &self,
        walk: &mut Walk,
        event: &Event,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Result<()> {
        let filter = BookingFilter {
            state: Some(BookingState::Confirmed),
            ..BookingFilter::all_of(BookingOwner::Event(event.id.clone()))
        };
        // In a row, with nobody told in between.
        let mut refusals = 0;
        while !walk.read {
            let page = self
                .store
                .list_bookings(&filter, walk.after.as_ref(), PAGE)
                .await?;
            let reachable = page
                .items
                .into_iter()
                .filter(|booking| address(booking).is_some())
                .map(|booking| booking.id);
            let ids: Vec<_> = reachable.filter(|id| !walk.put_off.contains(id)).collect();
            let told = self.tell_all(&ids, event, said, enough).await;
            refusals = if told.done > 0 {
                0
            } else {
                refusals + told.put_off.len()
            };
            walk.put_off.extend(told.put_off);
            if let Some(error) = told.failed {
                // The page is read again, and those who were put off are passed over.
                return Err(error);
            }
            walk.read = page.next.is_none();
            walk.after = page.next.or_else(|| walk.after.take());
            if refusals >= MANY {
                return Err(puts_all_off());
            }
        }
        Ok(())
    }

    /// One pass over those who were put off, which may take several rounds.
    async fn ask_again(
        &self,
        walk: &mut Walk,
        event: &Event,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Result<()> {
        if walk.again.is_empty() {
            walk.again = std::mem::take(&mut walk.put_off).into_iter().collect();
        }
        while !walk.again.is_empty() {
            let ids = walk.again.split_off(walk.again.len().saturating_sub(PAGE));
            let told = self.tell_all(&ids, event, said, enough).await;
            walk.put_off.extend(told.put_off);
            walk.again.extend(told.left);
            if let Some(error) = told.failed {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells these holders, several at once, until one can't be told for a reason that is not theirs, or it is enough.
    async fn tell_all(
        &self,
        ids: &[BookingId],
        event: &Event,
        said: UnixMillis,
        enough: &CancellationToken,
    ) -> Told {
        let ended = CancellationToken::new();
        let mut telling = stream::iter(ids.iter().cloned().map(|id| {
            let ended = &ended;
            async move {
                let told = match (ended.is_cancelled(), enough.is_cancelled()) {
                    (true, _) => None,
                    (_, true) => Some(Err(goes_on())),
                    _ => Some(self.tell(About::EventCancelled, &id, event, said).await),
                };
                (id, told)
            }
        }))
        .buffer_unordered(self.options.parallel.max(1));
        // Those in hand are waited for, whatever happened to another: dropped, they would be sent again.
        let mut told = Told::default();
        while let Some((id, result)) = telling.next().await {
            match result {
                Some(Ok(())) => told.done += 1,
                Some(Err(error)) if error.kind() == POSTPONED => told.put_off.push(id),
                Some(Err(error)) => {
                    ended.cancel();
                    told.left.push(id);
                    told.failed = Some(error);
                }
                None => told.left.push(id),
            }
        }
        told
    }
}

fn puts_all_off() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "mail holder",
        "the mail server puts everybody off",
    )
}
