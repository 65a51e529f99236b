//! `AmqpBroker`: emitter, listener and dead letters over one RabbitMQ.

use std::sync::Arc;

use lapin::Connection;
use myevents_core::contract::MessageName;
use myevents_core::ports::{DeadLetterQueue, DeadLetters};
use myevents_core::{ErrorKind, Result};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config::AmqpConfig;
use super::dead_letters::AmqpDeadLetters;
use super::emitter::AmqpEmitter;
use super::link::Link;
use super::listener::AmqpListener;
use super::publisher::Publisher;
use super::topology;
use crate::connect::BrokerTools;

/// One RabbitMQ. Publishing and consuming have a connection each: a broker that is low on memory stops reading from
/// connections that publish, and acknowledgements must still reach it.
///
/// ```no_run
/// # async fn example() -> myevents_core::Result<()> {
/// use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl};
///
/// let urls = vec![AmqpUrl::parse("amqp://guest:guest@localhost:5672")?];
/// let broker = AmqpBroker::connect(AmqpConfig::new(urls, "bookingservice", "booking"))?;
/// let (emitter, listener) = (broker.emitter(), broker.listener());
/// # drop((emitter, listener)); Ok(()) }
/// ```
#[derive(Debug)]
pub struct AmqpBroker {
    config: Arc<AmqpConfig>,
    publishing: Arc<Link>,
    publisher: Arc<Publisher>,
    emitter: Arc<AmqpEmitter>,
    listener: Arc<AmqpListener>,
    stop: CancellationToken,
    _stop_with_us: DropGuard,
}

impl AmqpBroker {
    /// A broker at the addresses of `config`. It may be away: it is connected to at the first use, and again whenever the
    /// connection is lost. Call it within a Tokio runtime.
    ///
    /// # Errors
    /// `Config` for settings that can't be.
    pub fn connect(config: AmqpConfig) -> Result<Self> {
        config.check()?;
        let config = Arc::new(config);
        let publishing = Link::dialled(Arc::clone(&config), "publishing");
        let consuming = Link::dialled(Arc::clone(&config), "consuming");
        Ok(Self::over(config, publishing, consuming))
    }

    /// A broker over connections of the caller's own, which may be one and the same; then acknowledgements wait with the
    /// publishes while the broker is low on memory. They are never closed here. Lost, they are used again when they
    /// are connected again (as they are with the client's own recovery), and until then everything is `Unavailable`.
    /// Call it within a Tokio runtime.
    ///
    /// # Errors
    /// `Config` for settings that can't be.
    pub fn from_connections(
        publishing: Arc<Connection>,
        consuming: Arc<Connection>,
        config: AmqpConfig,
    ) -> Result<Self> {
        config.check()?;
        let config = Arc::new(config);
        let publishing = Link::given(Arc::clone(&config), "publishing", publishing);
        let consuming = Link::given(Arc::clone(&config), "consuming", consuming);
        Ok(Self::over(config, publishing, consuming))
    }

    fn over(config: Arc<AmqpConfig>, publishing: Arc<Link>, consuming: Arc<Link>) -> Self {
        let publisher = Arc::new(Publisher::start(&publishing, &config));
        let emitter = AmqpEmitter::new(
            Arc::clone(&config),
            Arc::clone(&publishing),
            Arc::clone(&publisher),
        );
        let listener = AmqpListener::new(Arc::clone(&config), consuming);
        let stop = CancellationToken::new();
        Self {
            config,
            publishing,
            publisher,
            emitter: Arc::new(emitter),
            listener: Arc::new(listener),
            _stop_with_us: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Publishes.
    #[must_use]
    pub fn emitter(&self) -> Arc<AmqpEmitter> {
        Arc::clone(&self.emitter)
    }

    /// Subscribes.
    #[must_use]
    pub fn listener(&self) -> Arc<AmqpListener> {
        Arc::clone(&self.listener)
    }

    /// The dead letters of a group, over the emitter's connection; closed with it.
    #[must_use]
    pub fn dead_letters(&self, group: &str) -> Arc<AmqpDeadLetters> {
        Arc::new(AmqpDeadLetters::new(
            Arc::clone(&self.config),
            Arc::clone(&self.publishing),
            Arc::clone(&self.publisher),
            group,
        ))
    }

    /// Makes a group's queue and bindings before it subscribes, as soon as the broker is there.
    pub fn declare(&self, group: &str, names: &[MessageName]) {
        let (config, link) = (Arc::clone(&self.config), Arc::clone(&self.publishing));
        let (group, names, stop) = (group.to_owned(), names.to_vec(), self.stop.clone());
        let declaring = async move {
            loop {
                let until = Instant::now() + config.answer_timeout;
                let declared = match link.live("declare", until).await {
                    Ok(live) => topology::group(&live, &config, &group, &names).await.map(drop),
                    Err(error) => Err(error),
                };
                match declared {
                    Ok(()) => return,
                    Err(error) if error.kind() == ErrorKind::Closed => return,
                    Err(error) => tracing::debug!(group, %error, "the queue of a group is not made yet"),
                }
                sleep(config.reconnect.1).await;
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(declaring).await });
    }
}

impl BrokerTools for AmqpBroker {
    fn declare(&self, group: &str, names: &[MessageName]) {
        Self::declare(self, group, names);
    }

    fn dead_letters(&self, group: &str, _rows: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters> {
        Self::dead_letters(self, group)
    }
}
