//! `Link`: keeps one connection to RabbitMQ, whatever happens to it, and tells whether it takes messages now.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use lapin::Connection;
use myevents_core::{Error, ErrorKind, Result};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config::AmqpConfig;
use super::dial::{self, Live};
use super::error::{away, closed, fault};

/// How often a connection is looked at when nobody says that something is wrong.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A connection that ended sooner does not count as one: the next try waits longer.
const LIVED: Duration = Duration::from_secs(1);

/// Where the connection comes from.
enum Origin {
    /// We connect, and connect again.
    Dialled,
    /// The caller's own: never closed by us; when it is gone we wait for it to come back.
    Given(Arc<Connection>),
}

#[derive(Clone)]
enum State {
    /// Nobody needed it yet, or the first try is not over.
    Starting,
    Away(Arc<str>),
    Up(Arc<Live>),
    /// There, and it takes no messages: it is low on memory or disk.
    Blocked(Arc<Live>),
    Closed,
}

/// One connection, dialled at its first use and kept from then on.
pub(super) struct Link {
    shared: Arc<Shared>,
    begun: AtomicBool,
    _stop_with_us: DropGuard,
}

struct Shared {
    config: Arc<AmqpConfig>,
    purpose: &'static str,
    origin: Origin,
    state: watch::Sender<State>,
    doubt: Notify,
    hurry: Notify,
    stop: CancellationToken,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("purpose", &self.shared.purpose)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A connection of our own, for `purpose`.
    pub(super) fn dialled(config: Arc<AmqpConfig>, purpose: &'static str) -> Arc<Self> {
        Self::new(config, purpose, Origin::Dialled)
    }

    /// The caller's connection.
    pub(super) fn given(
        config: Arc<AmqpConfig>,
        purpose: &'static str,
        connection: Arc<Connection>,
    ) -> Arc<Self> {
        Self::new(config, purpose, Origin::Given(connection))
    }

    fn new(config: Arc<AmqpConfig>, purpose: &'static str, origin: Origin) -> Arc<Self> {
        let stop = CancellationToken::new();
        Arc::new(Self {
            shared: Arc::new(Shared {
                config,
                purpose,
                origin,
                state: watch::Sender::new(State::Starting),
                doubt: Notify::new(),
                hurry: Notify::new(),
                stop: stop.clone(),
            }),
            begun: AtomicBool::new(false),
            _stop_with_us: stop.drop_guard(),
        })
    }

    fn begin(&self) {
        if !self.begun.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(&self.shared).keep());
        }
    }

    /// The connection, for anything but publishing; waits for it until then.
    pub(super) async fn live(&self, operation: &'static str, until: Instant) -> Result<Arc<Live>> {
        self.wait(operation, until, true).await
    }

    /// The connection while it takes messages; waits for that until then.
    pub(super) async fn takes_messages(&self, operation: &'static str, until: Instant) -> Result<Arc<Live>> {
        self.wait(operation, until, false).await
    }

    async fn wait(&self, operation: &'static str, until: Instant, even_blocked: bool) -> Result<Arc<Live>> {
        self.begin();
        let mut state = self.shared.state.subscribe();
        let there = state.wait_for(|state| match state {
            State::Up(_) | State::Closed => true,
            State::Blocked(_) => even_blocked,
            State::Starting | State::Away(_) => false,
        });
        let state = match timeout_at(until, there).await {
            Ok(Ok(state)) => state.clone(),
            // The sender lives as long as we do.
            Ok(Err(_)) => State::Closed,
            Err(_) => self.shared.state.borrow().clone(),
        };
        match state {
            State::Up(live) => Ok(live),
            State::Blocked(live) if even_blocked => Ok(live),
            State::Blocked(_) => Err(away(
                operation,
                "RabbitMQ takes no messages now: it is low on memory or disk",
            )),
            State::Starting => Err(away(operation, "RabbitMQ is not connected yet")),
            State::Away(why) => Err(away(operation, why.to_string())),
            State::Closed => Err(closed(operation)),
        }
    }

    /// Waits until the broker was found away, or this was closed.
    pub(super) async fn away(&self) {
        self.begin();
        let mut state = self.shared.state.subscribe();
        // An error means that we are gone, which is as good.
        let _ = state
            .wait_for(|state| matches!(state, State::Away(_) | State::Closed))
            .await;
    }

    /// Somebody had an error: the connection is looked at now and not later.
    pub(super) fn doubt(&self) {
        self.shared.doubt.notify_one();
    }

    /// The connection is lost, and why is known: it is looked at now, and dialled again without a wait.
    pub(super) fn at_once(&self) {
        self.shared.hurry.notify_one();
        self.shared.doubt.notify_one();
    }

    /// Waits until this connection is known to be lost, or this was closed.
    pub(super) async fn lost(&self, live: &Live) {
        let mut state = self.shared.state.subscribe();
        let gone = state.wait_for(|state| match state {
            State::Up(now) | State::Blocked(now) => now.number != live.number,
            State::Starting | State::Away(_) | State::Closed => true,
        });
        // An error means that we are gone, which is as good.
        let _ = gone.await;
    }

    /// Whether the broker answers now, and takes messages.
    pub(super) async fn ping(&self) -> Result<()> {
        let within = self.shared.config.answer_timeout;
        let live = self.takes_messages("ping", Instant::now() + within).await?;
        let opened = ask(
            "ping",
            within,
            async move { live.connection.create_channel().await },
        )
        .await;
        // Dropping the channel closes it.
        opened.map(drop).inspect_err(|_| self.doubt())
    }

    /// Closes the connection, if it is ours, and waits for that. Safe to call many times at once.
    pub(super) async fn close(&self) {
        self.shared.stop.cancel();
        if !self.begun.swap(true, Ordering::AcqRel) {
            self.shared.state.send_replace(State::Closed);
        }
        let mut state = self.shared.state.subscribe();
        // An error means that we are gone, which is as good.
        let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
    }
}

impl Shared {
    async fn keep(self: Arc<Self>) {
        match &self.origin {
            Origin::Dialled => self.keep_dialled().await,
            Origin::Given(connection) => self.keep_given(connection).await,
        }
        self.state.send_replace(State::Closed);
    }

    async fn keep_dialled(&self) {
        let (first, most) = self.config.reconnect;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(first)
            // The spread adds up to as much again.
            .with_max_delay(most / 2)
            .with_jitter()
            .without_max_times();
        let mut delays = backoff.build();
        let mut number = 0;
        let mut at_once = false;
        loop {
            number += 1;
            let dialled = self
                .stop
                .run_until_cancelled(dial::any(&self.config, self.purpose, number));
            match dialled.await {
                None => return,
                Some(Ok(live)) => {
                    tracing::info!(purpose = self.purpose, at = live.place, "connected to RabbitMQ");
                    let since = Instant::now();
                    let live = Arc::new(live);
                    self.watch(&live).await;
                    if self.stop.is_cancelled() {
                        live.close(self.config.close_timeout).await;
                        return;
                    }
                    live.drop_socket();
                    tracing::warn!(
                        purpose = self.purpose,
                        at = live.place,
                        "the connection to RabbitMQ was lost"
                    );
                    self.set_away("the connection to RabbitMQ was lost".into());
                    at_once = since.elapsed() >= LIVED;
                    if at_once {
                        delays = backoff.build();
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(purpose = self.purpose, %error, "RabbitMQ can't be reached");
                    self.set_away(error.message().into());
                }
            }
            let delay = delays.next().unwrap_or(most);
            if std::mem::take(&mut at_once) {
                continue;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.hurry.notified() => {}
                () = sleep(delay) => {}
            }
        }
    }

    async fn keep_given(&self, connection: &Arc<Connection>) {
        let mut number = 0;
        loop {
            if connection.status().connected() {
                number += 1;
                self.watch(&Arc::new(Live::given(Arc::clone(connection), number)))
                    .await;
            }
            self.set_away("the connection that was handed over is gone".into());
            if self.stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
        }
    }

    fn set_away(&self, why: Arc<str>) {
        self.state.send_replace(State::Away(why));
    }

    /// Tells how the connection is, until it is lost or the link is closed.
    async fn watch(&self, live: &Arc<Live>) {
        let mut blocked = None;
        loop {
            let status = live.connection.status();
            if !status.connected() {
                return;
            }
            let now_blocked = status.blocked();
            if blocked != Some(now_blocked) {
                if now_blocked {
                    tracing::warn!("RabbitMQ takes no messages now: it is low on memory or disk");
                } else if blocked.is_some() {
                    tracing::info!("RabbitMQ takes messages again");
                }
                blocked = Some(now_blocked);
                let live = Arc::clone(live);
                self.state.send_replace(if now_blocked {
                    State::Blocked(live)
                } else {
                    State::Up(live)
                });
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.doubt.notified() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// Asks the broker something, and waits for the answer that long; the question goes on by itself if nobody waits.
///
/// # Errors
/// What the table says; `Unavailable` when no answer came.
pub(super) async fn ask<T: Send + 'static>(
    operation: &'static str,
    within: Duration,
    question: impl Future<Output = lapin::Result<T>> + Send + 'static,
) -> Result<T> {
    match timeout(within, tokio::spawn(question)).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(fault(operation, error)),
        Ok(Err(ended)) => {
            Err(Error::new(ErrorKind::Internal, operation, "the AMQP client failed").caused_by(ended))
        }
        Err(_) => Err(away(operation, "RabbitMQ did not answer in time")),
    }
}
