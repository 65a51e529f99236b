//! `LocalBroker`: emitter and listener in one, over the groups' lanes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::contract::{Envelope, MessageName};
use crate::error::{Error, ErrorKind, Result};
use crate::local::dead_letters::LocalDeadLetters;
use crate::local::lanes::{Group, Publisher, Source};
use crate::local::resend::poll_letters;
use crate::local::settle::{LocalSettlement, Seat};
use crate::local::{LocalEmitter, LocalListener, LocalOptions};
use crate::observe::{Observation, Observer};
use crate::ports::{
    BrokerCapabilities, DeadLetterQueue, DeadLetters, Delivery, DeliveryStream, EventEmitter, EventListener,
    MessageOrder, StartFrom, Subscription,
};

/// A broker within the process. Cheap to clone; all clones are one broker.
///
/// `emit` answers `Ok` only when every group that wants the message has acknowledged it, so the row of the outbox stays
/// until then and a crash delivers it again. A consumer that gives up stores the dead letter first and acknowledges
/// then. A group exists from its first [`declare`](Self::declare) or subscription on; what it wants is kept for it while
/// nobody of it listens, and the publisher waits.
///
/// It is emitter and listener itself, and closing it ends everything; [`emitter`](Self::emitter) and
/// [`listener`](Self::listener) give ones that close alone.
#[derive(Clone)]
pub struct LocalBroker {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) options: LocalOptions,
    pub(super) observer: Arc<dyn Observer>,
    /// Cancelled once no stream gives anything any more.
    pub(super) stopped: CancellationToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) groups: HashMap<String, Entry>,
    emitter_closed: bool,
    pub(super) listener_closed: bool,
}

#[derive(Default)]
pub(super) struct Entry {
    pub(super) group: Group,
    pub(super) changed: Arc<Notify>,
    pub(super) letters: Option<Arc<dyn DeadLetterQueue>>,
}

impl fmt::Debug for LocalBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        let groups: Vec<&String> = state.groups.keys().collect();
        f.debug_struct("LocalBroker")
            .field("groups", &groups)
            .finish_non_exhaustive()
    }
}

impl LocalBroker {
    /// A broker without groups.
    #[must_use]
    pub fn new(options: LocalOptions, observer: Arc<dyn Observer>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                options,
                observer,
                stopped: CancellationToken::new(),
            }),
        }
    }

    /// Makes a group known before it subscribes, so that what is published meanwhile waits for it. `names` in their
    /// dotted spelling, none = all. May be repeated: names add up.
    pub fn declare(&self, group: &str, names: &[MessageName]) {
        let mut state = self.shared.state.lock();
        state
            .groups
            .entry(group.to_owned())
            .or_default()
            .group
            .want(names);
    }

    /// The dead letters of `group`, kept in `queue`: hand this to the group's dispatch, and no other place over the
    /// same rows. Letters that are sent back (the row is marked due, by this process or another) are delivered to the
    /// group again; a letter that fails again stays in its row.
    #[must_use]
    pub fn dead_letters(&self, group: &str, queue: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters> {
        let mut state = self.shared.state.lock();
        let entry = state.groups.entry(group.to_owned()).or_default();
        entry.letters = Some(Arc::clone(&queue));
        drop(state);
        self.watch_letters(group);
        Arc::new(LocalDeadLetters::new(group, Arc::clone(&self.shared), queue))
    }

    /// An emitter of its own: closing it leaves the others.
    #[must_use]
    pub fn emitter(&self) -> LocalEmitter {
        LocalEmitter::new(self.clone())
    }

    /// A listener of its own: closing it leaves the others.
    #[must_use]
    pub fn listener(&self) -> LocalListener {
        LocalListener::new(self.clone(), self.shared.stopped.child_token())
    }

    pub(super) fn close_timeout(&self) -> std::time::Duration {
        self.shared.options.close_timeout
    }

    /// Starts to ask for letters sent back once there is both a place and a listener.
    fn watch_letters(&self, group: &str) {
        let mut state = self.shared.state.lock();
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        if entry.group.members == 0 || entry.group.polls_letters {
            return;
        }
        if let Some(queue) = entry.letters.clone() {
            entry.group.polls_letters = true;
            drop(state);
            tokio::spawn(poll_letters(
                Arc::downgrade(&self.shared),
                group.to_owned(),
                queue,
                self.shared.options.clone(),
                self.shared.stopped.clone(),
            ));
        }
    }

    /// What one message's publisher waits for.
    fn route(&self, envelope: &Envelope) -> Result<Option<oneshot::Receiver<Result<()>>>> {
        let options = &self.shared.options;
        if envelope.body().len() > options.max_message_bytes {
            return Err(
                Error::new(ErrorKind::TooLarge, "publish", "the message is too large")
                    .with("bytes", envelope.body().len())
                    .with("most", options.max_message_bytes),
            );
        }
        let name = envelope.name();
        let mut state = self.shared.state.lock();
        if state.emitter_closed {
            return Err(closed("publish"));
        }
        let wanted = state
            .groups
            .values()
            .filter(|entry| entry.group.wants(name))
            .count();
        if wanted == 0 {
            drop(state);
            if options.required_names.contains(name) {
                return Err(Error::new(
                    ErrorKind::Unroutable,
                    "publish",
                    "nobody subscribes to this message",
                )
                .with("name", name));
            }
            self.shared
                .observer
                .observe(&Observation::MessageUnrouted { name });
            return Ok(None);
        }
        if state.listener_closed {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "publish",
                "the listeners of the local broker were closed",
            ));
        }
        let (publisher, answer) = Publisher::new(wanted);
        for entry in state.groups.values_mut().filter(|entry| entry.group.wants(name)) {
            entry
                .group
                .push(envelope.clone(), Source::Published(Arc::clone(&publisher)));
            entry.changed.notify_waiters();
        }
        Ok(Some(answer))
    }

    /// Subscribes; the stream ends once `stopped` is cancelled.
    pub(super) fn subscribe_until(
        &self,
        subscription: Subscription,
        stopped: CancellationToken,
    ) -> Result<DeliveryStream> {
        if subscription.from != StartFrom::Now {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "subscribe",
                "the local broker keeps no log to start from",
            ));
        }
        let seat = {
            let mut state = self.shared.state.lock();
            if state.listener_closed {
                return Err(closed("subscribe"));
            }
            let entry = state.groups.entry(subscription.group.clone()).or_default();
            entry.group.want(&subscription.names);
            entry.group.members += 1;
            Seat::new(
                Arc::clone(&self.shared),
                subscription.group.clone(),
                Arc::clone(&entry.changed),
                subscription.prefetch.max(1),
                stopped,
            )
        };
        self.watch_letters(&subscription.group);
        let origin = format!("local:{}", subscription.group);
        let stream = futures_util::stream::unfold((seat, origin), |(seat, origin)| async move {
            let (number, envelope, attempt) = seat.next().await?;
            let settlement = Box::new(LocalSettlement::new(&seat, number));
            let delivery = Delivery::new(envelope, attempt, origin.clone(), settlement);
            Some((delivery, (seat, origin)))
        });
        Ok(stream.boxed())
    }

    /// Tells publishers of what was not handed out that it will not be.
    fn drop_waiting(&self) {
        let mut state = self.shared.state.lock();
        for entry in state.groups.values_mut() {
            entry.group.drop_waiting(|item| {
                if let Source::Published(publisher) = item.source {
                    publisher.failed(item.seen);
                }
            });
        }
    }

    fn wait_for_handlers(&self) -> Option<Arc<Notify>> {
        let state = self.shared.state.lock();
        let busy = state.groups.values().find(|entry| entry.group.is_busy());
        busy.map(|entry| Arc::clone(&entry.changed))
    }
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the local broker is closed")
}

fn capabilities(options: &LocalOptions) -> BrokerCapabilities {
    BrokerCapabilities {
        name: "local",
        order: MessageOrder::InGroup,
        durable: false,
        replay: false,
        shared: false,
        delayed_nack: true,
        extend: true,
        detects_unroutable: true,
        max_message_bytes: options.max_message_bytes,
    }
}

#[async_trait]
impl EventEmitter for LocalBroker {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.shared.options)
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let open: Vec<_> = messages.iter().map(|envelope| self.route(envelope)).collect();
        let answers = open.into_iter().map(|routed| async {
            match routed? {
                None => Ok(()),
                Some(answer) => answer.await.unwrap_or_else(|_| Err(closed("publish"))),
            }
        });
        join_all(answers).await
    }

    async fn ping(&self) -> Result<()> {
        if self.shared.state.lock().emitter_closed {
            return Err(closed("ping"));
        }
        Ok(())
    }

    /// Publishes that no handler has yet answer `Unavailable` at once; those that a handler has are waited for, at most
    /// [`LocalOptions::close_timeout`].
    async fn close(&self) -> Result<()> {
        self.shared.state.lock().emitter_closed = true;
        self.drop_waiting();
        let finished = tokio::time::timeout(self.shared.options.close_timeout, async {
            while let Some(changed) = self.wait_for_handlers() {
                let changed = changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.wait_for_handlers().is_none() {
                    return;
                }
                changed.await;
                // What was given back meanwhile would wait for ever.
                self.drop_waiting();
            }
        });
        // Past the time the rows stay in the outbox, which is all that is promised of an open publish.
        drop(finished.await);
        Ok(())
    }
}

#[async_trait]
impl EventListener for LocalBroker {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.shared.options)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        self.subscribe_until(subscription, self.shared.stopped.clone())
    }

    async fn close(&self) -> Result<()> {
        self.shared.state.lock().listener_closed = true;
        self.shared.stopped.cancel();
        self.drop_waiting();
        Ok(())
    }
}
