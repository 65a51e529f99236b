//! Deliveries between the receives and the stream that hands them out.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use myevents_core::ports::{Delivery, DeliveryStream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;

#[derive(Debug, Default)]
pub(super) struct Shelf {
    content: Mutex<Content>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    waiting: VecDeque<Delivery>,
    ended: bool,
}

impl Shelf {
    /// Puts deliveries behind those that wait; after the end they go back.
    pub(super) fn put(&self, deliveries: Vec<Delivery>) {
        {
            let mut content = self.content.lock();
            if !content.ended {
                content.waiting.extend(deliveries);
            }
        }
        self.changed.notify_one();
    }

    /// No more is handed out, and the stream ends. Answers what nobody has.
    pub(super) fn end(&self) -> VecDeque<Delivery> {
        let waiting = {
            let mut content = self.content.lock();
            content.ended = true;
            std::mem::take(&mut content.waiting)
        };
        self.changed.notify_one();
        waiting
    }

    async fn next(&self) -> Option<Delivery> {
        loop {
            {
                let mut content = self.content.lock();
                if content.ended {
                    return None;
                }
                if let Some(delivery) = content.waiting.pop_front() {
                    return Some(delivery);
                }
            }
            self.changed.notified().await;
        }
    }

    /// The stream over this shelf; `stop` is what its end sets off.
    pub(super) fn stream(self: Arc<Self>, stop: DropGuard) -> DeliveryStream {
        futures_util::stream::unfold((self, stop), |(shelf, stop)| async move {
            let delivery = shelf.next().await?;
            Some((delivery, (shelf, stop)))
        })
        .boxed()
    }
}
