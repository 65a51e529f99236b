//! Deliveries between the task that receives them and the stream that hands them out.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use myevents_core::contract::Envelope;
use myevents_core::ports::{Delivery, DeliveryStream};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::settlement::{AmqpSettlement, GivenBack, Held};

/// A delivery that nobody has yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) held: Held,
    pub(super) envelope: Envelope,
    pub(super) attempt: u32,
    pub(super) origin: Arc<str>,
    pub(super) returns: mpsc::UnboundedSender<GivenBack>,
    pub(super) held_until: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Shelf {
    content: Mutex<Content>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    waiting: VecDeque<Waiting>,
    ended: bool,
}

impl Shelf {
    pub(super) fn put(&self, waiting: Waiting) {
        self.content.lock().waiting.push_back(waiting);
        self.changed.notify_one();
    }

    /// What nobody has yet, in its order.
    pub(super) fn clear(&self) -> Vec<Held> {
        let waiting = std::mem::take(&mut self.content.lock().waiting);
        waiting.into_iter().map(|waiting| waiting.held).collect()
    }

    /// No more is handed out, and the stream ends.
    pub(super) fn end(&self) {
        self.content.lock().ended = true;
        self.changed.notify_one();
    }

    async fn next(&self) -> Option<Waiting> {
        loop {
            {
                let mut content = self.content.lock();
                if content.ended {
                    return None;
                }
                // One whose connection is gone comes again by itself.
                while let Some(waiting) = content.waiting.pop_front() {
                    if waiting.held.acker.usable() {
                        return Some(waiting);
                    }
                }
            }
            self.changed.notified().await;
        }
    }

    /// The stream over this shelf; `stop` is what its end sets off.
    pub(super) fn stream(self: Arc<Self>, stop: DropGuard) -> DeliveryStream {
        futures_util::stream::unfold((self, stop), |(shelf, stop)| async move {
            let waiting = shelf.next().await?;
            let Waiting {
                held,
                envelope,
                attempt,
                origin,
                returns,
                held_until,
            } = waiting;
            let settlement = AmqpSettlement::new(held, returns, held_until);
            let delivery = Delivery::new(envelope, attempt, origin.as_ref().to_owned(), settlement);
            Some((delivery, (shelf, stop)))
        })
        .boxed()
    }
}
