//! `KafkaListener`: subscribes as members of consumer groups.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::capabilities;
use super::config::KafkaConfig;
use super::consumer::Membership;
use super::group::Start;
use super::hands::Hands;
use super::letters::Letters;
use super::topology::Topology;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{
    BrokerCapabilities, Clock as _, DeliveryStream, EventListener, Subscription, SystemClock,
};
use myevents_core::{Error, ErrorKind, Result};

/// So far behind ours may the clocks of producers be, in milliseconds, where a beginning has to be found by time: a few messages
/// before it are heard too.
const CLOCKS_DIFFER: i64 = 5_000;
/// Between two looks at a subscription that is closing.
const LOOK: Duration = Duration::from_millis(20);

/// Gives the messages of one topic to consumer groups.
///
/// Each subscription is a consumer of its own. An acknowledgement is noted at once and committed to Kafka soon after: when a
/// process dies, what it acknowledged in the last moments comes again.
pub struct KafkaListener {
    config: Arc<KafkaConfig>,
    topology: Arc<Topology>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    subscriptions: Vec<Weak<Hands>>,
}

impl fmt::Debug for KafkaListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaListener")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaListener {
    pub(super) fn new(config: Arc<KafkaConfig>, topology: Arc<Topology>) -> Self {
        Self {
            config,
            topology,
            state: Mutex::default(),
        }
    }
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the listener is closed")
}

/// Ends the subscription when the stream goes.
pub(super) struct Stream(pub(super) Arc<Hands>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The deliveries of a subscription.
pub(super) fn deliveries(stream: Stream) -> DeliveryStream {
    let deliveries = futures_util::stream::unfold(stream, |stream| async move {
        let delivery = stream.0.next().await?;
        Some((delivery, stream))
    });
    deliveries.boxed()
}

/// Runs what may block in a thread of its own.
pub(super) fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(format!("kafka {name}"));
    let started = thread.spawn(run).map(drop);
    started.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "subscribe", "no thread can be started").caused_by(error)
    })
}

#[async_trait]
impl EventListener for KafkaListener {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities(&self.config)
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<DeliveryStream> {
        // Names that can't be are refused before anything is started.
        self.config.retry_topic(&subscription.group)?;
        let letters = Letters::new(
            Arc::clone(&self.config),
            Arc::clone(&self.topology),
            &subscription.group,
        )?;
        let hands = Hands::new(
            subscription.group,
            subscription.names,
            subscription.prefetch,
            Some(Arc::new(letters)),
        );
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(closed("subscribe"));
            }
            state.subscriptions.retain(|hands| hands.strong_count() > 0);
            state.subscriptions.push(Arc::downgrade(&hands));
        }
        let stream = Stream(Arc::clone(&hands));
        let returns = std::time::Instant::now() + self.config.subscribe_wait;
        let membership = Membership {
            config: Arc::clone(&self.config),
            topology: Arc::clone(&self.topology),
            handle: Handle::current(),
            hands: Arc::clone(&hands),
            start: Start {
                from: subscription.from,
                subscribed: UnixMillis(SystemClock.now().0.saturating_sub(CLOCKS_DIFFER)),
                returns,
            },
        };
        let (started, starting) = oneshot::channel();
        if let Err(error) = thread(&hands.group, move || membership.run(started)) {
            hands.finished.send_replace(true);
            return Err(error);
        }
        match tokio::time::timeout_at(returns.into(), starting).await {
            Ok(Ok(Err(error))) => Err(error),
            Ok(Ok(Ok(()))) | Err(_) => Ok(deliveries(stream)),
            // The thread ended before it began: the listener was closed meanwhile.
            Ok(Err(_)) => Err(closed("subscribe")),
        }
    }

    /// Streams end at once. What was handed out may be settled for as long as the close timeout; where nothing is, the consumers
    /// have committed and left their groups when this returns.
    async fn close(&self) -> Result<()> {
        let subscriptions: Vec<Arc<Hands>> = {
            let mut state = self.state.lock();
            state.closed = true;
            state.subscriptions.iter().filter_map(Weak::upgrade).collect()
        };
        for hands in &subscriptions {
            hands.close();
        }
        let left = async {
            for hands in &subscriptions {
                let finished = hands.finished.subscribe();
                while !*finished.borrow() && hands.phase().1 == 0 {
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        // Beyond it the threads go on by themselves.
        match tokio::time::timeout(self.config.close_timeout, left).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "close kafka",
                "the consumers could not leave their groups in time",
            )),
        }
    }
}
