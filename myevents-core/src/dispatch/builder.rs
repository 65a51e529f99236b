//! Builds a [`Dispatch`]: who handles what, and with what around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Envelope, Message, MessageName};
use crate::dispatch::handler::{AnyHandler, Typed, Undecoded};
use crate::dispatch::inbox::InboxUse;
use crate::dispatch::{Dispatch, DispatchOptions, Handler};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{NoObserver, Observer};
use crate::ports::{Clock, DeadLetters, Inbox, SystemClock};

/// Who handles one name.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) handler: Arc<dyn AnyHandler>,
    pub(super) inbox: Option<InboxUse>,
}

/// Builds a [`Dispatch`].
#[derive(Debug)]
pub struct DispatchBuilder {
    pub(super) group: String,
    pub(super) routes: BTreeMap<MessageName, Route>,
    last: Option<MessageName>,
    pub(super) dead_letters: Option<Arc<dyn DeadLetters>>,
    pub(super) options: DispatchOptions,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Arc<dyn Clock>,
    faults: Vec<&'static str>,
}

impl DispatchBuilder {
    pub(super) fn new(group: String) -> Self {
        Self {
            group,
            routes: BTreeMap::new(),
            last: None,
            dead_letters: None,
            options: DispatchOptions::default(),
            observer: Arc::new(NoObserver),
            clock: Arc::new(SystemClock),
            faults: Vec::new(),
        }
    }

    /// Handles messages of type `M`. A second handler of the same name is a fault that [`build`](Self::build) tells.
    #[must_use]
    pub fn on<M: Message>(self, handler: impl Handler<M>) -> Self {
        self.route(M::name(), Arc::new(Typed::<M, _>::new(handler)))
    }

    /// Handles messages of this name as they come, whatever their body.
    #[must_use]
    pub fn on_envelope(self, name: MessageName, handler: impl Handler<Envelope>) -> Self {
        self.route(name, Arc::new(Undecoded(handler)))
    }

    fn route(mut self, name: MessageName, handler: Arc<dyn AnyHandler>) -> Self {
        self.last = Some(name.clone());
        if self.routes.insert(name, Route { handler, inbox: None }).is_some() {
            self.faults.push("a message has two handlers in one group");
        }
        self
    }

    /// Gives the handler named just before an inbox: a message it completed is not handled again. The consumer's name
    /// is the group. `lease` is longer than [`DispatchOptions::handler_timeout`]: past it another may start.
    #[must_use]
    pub fn with_inbox(mut self, inbox: Arc<dyn Inbox>, lease: Duration) -> Self {
        match self.last.as_ref().and_then(|name| self.routes.get_mut(name)) {
            Some(route) => route.inbox = Some(InboxUse { inbox, lease }),
            None => self.faults.push("an inbox was given before any handler"),
        }
        self
    }

    /// Where messages go that are given up on. Needed.
    #[must_use]
    pub fn dead_letters(mut self, dead_letters: Arc<dyn DeadLetters>) -> Self {
        self.dead_letters = Some(dead_letters);
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: DispatchOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets who counts.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Sets the clock that dates dead letters.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The dispatch.
    ///
    /// # Errors
    /// `Config` without dead letters, with two handlers of one name, with an inbox before any handler, or with an
    /// inbox whose lease ends before a handler is told to stop.
    pub fn build(self) -> Result<Dispatch> {
        let config = |message| Err(Error::new(ErrorKind::Config, "build dispatch", message));
        if let Some(fault) = self.faults.first() {
            return config(*fault);
        }
        // Another would start on the message while a handler that keeps to its time is still at work.
        let timeout = self.options.handler_timeout;
        let mut inboxes = self.routes.values().filter_map(|route| route.inbox.as_ref());
        if inboxes.any(|inbox| inbox.lease <= timeout) {
            return config("the lease of an inbox must be longer than handler_timeout");
        }
        let Some(dead_letters) = self.dead_letters.clone() else {
            return config("dispatch needs a place for dead letters");
        };
        Ok(Dispatch::new(self, dead_letters))
    }
}
