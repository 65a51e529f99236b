//! Builds the services of a program, runs them, and stops them in the order that loses nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use myevents_adapters::connect::{OpenBroker, OpenStore};
use myevents_core::dispatch::{Dispatch, DispatchOptions};
use myevents_core::metrics::PrometheusObserver;
use myevents_core::observe::{NoObserver, Observer};
use myevents_core::ports::{EventListener, Outbox, RandomIds, StartFrom, SystemClock};
use myevents_core::projection;
use myevents_core::relay::{Handover, HandoverReceiver, Relay, RelayOptions, SHARED_LEASE, handover};
use myevents_core::rest::{Admission, ApiKeyAuthenticator, Authenticator, Readiness};
use myevents_core::runtime::config::{ListenAddress, ServiceName, ServiceSettings, Settings};
use myevents_core::runtime::server::{Listener, ServerLimits, raise_open_files, serve};
use myevents_core::runtime::tls::Tls;
use myevents_core::service::{BookingService, BookingSettings, EventService, SalesRules};
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::mail::{self, Mail};
use crate::page::Page;
use crate::routes::{Guards, Parts, metrics_app, rest_settings};
use crate::sign_in::SignIn;
use crate::{background, brokers, demo, stores};

/// Rows offered to a relay in memory; what does not fit is found by polling.
const HANDOVER: usize = 8_192;
/// Of the time to stop, what is kept for relays and stores after the last request.
const RESERVE: Duration = Duration::from_secs(3);
/// Open files that are no connections: stores, logs, sockets of the process itself.
const OTHER_FILES: usize = 128;

/// A built program: stores open, addresses bound, nothing running yet.
pub struct Application {
    settings: Settings,
    stores: Vec<(ServiceName, OpenStore)>,
    brokers: Vec<(ServiceName, OpenBroker)>,
    observer: Arc<dyn Observer>,
    relays: Vec<(ServiceName, Relay)>,
    consumers: Vec<(Arc<dyn EventListener>, Dispatch)>,
    mail: Option<Mail>,
    parts: Parts,
    listeners: Vec<(Serves, Listener, Router, Option<Tls>)>,
    demo: bool,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("settings", &self.settings)
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

impl Application {
    /// Binds the addresses, opens the stores and puts everything together.
    ///
    /// # Errors
    /// When an address can't be bound, a store or broker can't be opened, or a certificate can't be read.
    pub async fn build(settings: Settings, demo: bool) -> Result<Self> {
        let registry = Registry::new();
        let observer: Arc<dyn Observer> = match settings.metrics {
            Some(_) => Arc::new(PrometheusObserver::register(
                &registry,
                settings.metrics_max_label_values,
            )?),
            None => Arc::new(NoObserver),
        };
        // Before anything is opened: a wrong broker, certificate or key must leave no trace.
        let sign_in = SignIn::open(&settings).await?;
        let mail = mail::open(&settings)?;
        let brokers = brokers::open(&settings, &observer).await?;
        let bound = bind(&settings, &observer).await?;
        let stores = stores::open(&settings, false).await?;
        let put_together = (|| {
            let (parts, relays, consumers) =
                services(&settings, &stores, &brokers, &sign_in, mail.as_ref(), &observer)?;
            let listeners = bound
                .into_iter()
                .map(|(what, listener, tls)| {
                    let router = match what {
                        Serves::Whole => parts.whole_app(),
                        Serves::Events => parts.event_app(),
                        Serves::Bookings => parts.booking_app(),
                        Serves::Metrics => metrics_app(registry.clone(), &parts),
                    };
                    (what, listener, router, tls)
                })
                .collect();
            anyhow::Ok((parts, relays, consumers, listeners))
        })();
        let (parts, relays, consumers, listeners) = match put_together {
            Ok(built) => built,
            Err(error) => {
                stores::close(&stores).await;
                return Err(error);
            }
        };
        Ok(Self {
            settings,
            stores,
            brokers,
            observer,
            relays,
            consumers,
            mail,
            parts,
            listeners,
            demo,
        })
    }

    /// The addresses it got, in the order page, event service, booking service, their HTTPS, metrics.
    #[must_use]
    pub fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.listeners
            .iter()
            .map(|(_, listener, ..)| listener.address())
            .collect()
    }

    /// Runs until `stop` is cancelled, with the clients' connections on the runtime of `clients`; then works off what was accepted and
    /// closes everything within the time to stop.
    ///
    /// # Errors
    /// When the demo can't be put in, the broker refuses the subscription for good, or a relay or the message handlers
    /// end by themselves.
    pub async fn run(self, stop: CancellationToken, clients: &Handle) -> Result<()> {
        let fault = Arc::new(OnceLock::new());
        let consuming = CancellationToken::new();
        let relaying = CancellationToken::new();
        let (consumers, relays, others) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());
        for (listener, dispatch) in self.consumers {
            let (token, failed) = (consuming.clone(), stop.clone());
            let ended = token.clone();
            let handling = async move {
                if let Err(error) = dispatch.run(listener, token).await {
                    tracing::error!(%error, "messages can't be taken from the broker");
                }
            };
            consumers.spawn(supervised(
                "the message handlers",
                handling,
                ended,
                failed,
                Arc::clone(&fault),
            ));
        }
        for (_, relay) in self.relays {
            let running = relay.run(relaying.clone());
            relays.spawn(supervised(
                "a relay",
                running,
                relaying.clone(),
                stop.clone(),
                Arc::clone(&fault),
            ));
        }
        let mut limits = limits(&self.settings);
        limits.max_connections = limits
            .max_connections
            .min(raise_open_files().saturating_sub(OTHER_FILES).max(16));
        let grace = self.settings.shutdown_timeout;
        let servers = TaskTracker::new();
        for (what, listener, router, tls) in self.listeners {
            let listener = match what {
                // Whoever watches over the program asks there, and waits for no crowd.
                Serves::Metrics => listener,
                Serves::Whole | Serves::Events | Serves::Bookings => {
                    listener.with_clients_on(clients.clone())
                }
            };
            if let Some(tls) = tls.clone() {
                others.spawn(tls.watch(stop.clone()));
            }
            let grace = grace.saturating_sub(RESERVE).max(grace / 2);
            servers.spawn(serve(listener, router, tls, limits.clone(), stop.clone(), grace));
        }
        for (service, open) in &self.stores {
            background::start(&others, *service, open, &self.observer, &stop);
        }
        for (service, broker) in &self.brokers {
            let (emitter, readiness) = (Arc::clone(&broker.emitter), self.parts.readiness.clone());
            background::watch_broker(&others, *service, emitter, readiness, &stop);
        }
        let failed = match (self.demo, &self.parts.events) {
            (true, Some((events, _))) => demo::fill(events).await.err(),
            _ => None,
        };
        if failed.is_some() {
            stop.cancel();
        }
        stop.cancelled().await;

        let deadline = Instant::now() + grace;
        self.parts.readiness.stop();
        servers.close();
        servers.wait().await;
        if let Some((bookings, _)) = &self.parts.bookings {
            bookings.drain(left(deadline) / 2).await;
        }
        if let Some(mail) = &self.mail {
            mail.stop.cancel();
        }
        relaying.cancel();
        finish(relays, left(deadline), "relays").await;
        consuming.cancel();
        finish(consumers, left(deadline), "message handlers").await;
        finish(others, left(deadline), "background work").await;
        let closing = async {
            if let Some(mail) = &self.mail {
                mail.mailer.close().await;
            }
            brokers::close(&self.brokers).await;
            stores::close(&self.stores).await;
        };
        if tokio::time::timeout(left(deadline), closing).await.is_err() {
            tracing::warn!("the stores were not closed in time; the next start picks up what waits");
        }
        tracing::info!("stopped");
        if let Some(what) = fault.get() {
            bail!("{what} ended before its time; the log says why, and the next start picks up what waits");
        }
        failed.map_or(Ok(()), |error| Err(error).context("the demo can't be put in"))
    }
}

/// Runs what must not end before it is told to: if it does, by a panic too, the program stops and says so, as messages
/// would silently stay where they are.
async fn supervised(
    what: &'static str,
    running: impl Future<Output = ()> + Send + 'static,
    told: CancellationToken,
    stop: CancellationToken,
    fault: Arc<OnceLock<&'static str>>,
) {
    let panicked = tokio::spawn(running).await.is_err();
    if panicked || !told.is_cancelled() {
        tracing::error!("{what} ended before its time; the program stops");
        // The first fault is the one to name.
        let _first = fault.set(what);
        stop.cancel();
    }
}

/// At least a moment, so that each step is tried.
fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(500))
}

async fn finish(tasks: TaskTracker, within: Duration, what: &str) {
    tasks.close();
    if tokio::time::timeout(within, tasks.wait()).await.is_err() {
        tracing::warn!("{what} did not finish in time; the next start picks up what waits");
    }
}

fn limits(settings: &Settings) -> ServerLimits {
    let longest = settings
        .services
        .iter()
        .map(|service| service.request_timeout)
        .max();
    ServerLimits {
        header_timeout: settings.header_timeout,
        handshake_timeout: settings.tls_handshake_timeout,
        max_handshakes: settings.max_tls_handshakes,
        // The routers' own bounds come first: they answer with a reason.
        body_timeout: settings.body_timeout + Duration::from_secs(5),
        request_timeout: longest.unwrap_or_default() + Duration::from_secs(5),
        max_connections: settings.max_connections,
        max_connections_active: settings.max_connections_active,
        max_connections_address: Some(settings.max_connections_address).filter(|most| *most > 0),
        ..ServerLimits::default()
    }
}

#[derive(Debug, Clone, Copy)]
enum Serves {
    Whole,
    Events,
    Bookings,
    Metrics,
}

type Bound = (Serves, Listener, Option<Tls>);

async fn bind(settings: &Settings, observer: &Arc<dyn Observer>) -> Result<Vec<Bound>> {
    let mut bound = Vec::new();
    let mut add = async |serves, name, address: &Option<ListenAddress>, tls| -> Result<()> {
        if let Some(address) = address {
            let listener = Listener::bind(name, address).await?;
            bound.push((serves, listener.with_observer(Arc::clone(observer)), tls));
        }
        Ok(())
    };
    add(Serves::Whole, "page and both APIs", &settings.listen, None).await?;
    for service in &settings.services {
        let (serves, plain, secure) = match service.service {
            ServiceName::Event => (Serves::Events, "event service", "event service, HTTPS"),
            ServiceName::Booking => (Serves::Bookings, "booking service", "booking service, HTTPS"),
        };
        add(serves, plain, &service.listen, None).await?;
        if let Some(files) = &service.tls {
            let tls = Tls::open(files.clone(), service.service.as_str(), Arc::clone(observer))?;
            add(serves, secure, &service.tls_listen, Some(tls)).await?;
        }
    }
    add(Serves::Metrics, "metrics", &settings.metrics, None).await?;
    Ok(bound)
}

type Built = (
    Parts,
    Vec<(ServiceName, Relay)>,
    Vec<(Arc<dyn EventListener>, Dispatch)>,
);

fn services(
    settings: &Settings,
    stores: &[(ServiceName, OpenStore)],
    brokers: &[(ServiceName, OpenBroker)],
    sign_in: &SignIn,
    mail: Option<&Mail>,
    observer: &Arc<dyn Observer>,
) -> Result<Built> {
    let mut relays = Vec::new();
    let mut consumers = Vec::new();
    let mut events = None;
    let mut bookings = None;
    let readiness = Readiness::new();
    let admission = Arc::new(Admission::new(settings.admission.clone()));
    let requests = Arc::new(Semaphore::new(settings.max_requests));
    for (name, open) in stores {
        let service = settings.service(*name).context("a store without settings")?;
        let broker = brokers.iter().find(|(owner, _)| owner == name);
        let (_, broker) = broker.context("a service without broker")?;
        let (to_relay, offered) = handover(HANDOVER);
        relays.push((*name, relay(*name, open, broker, offered, observer)));
        let authenticator = sign_in.of(*name).map(|tokens| {
            let keys = Arc::clone(&open.api_keys);
            Arc::new(ApiKeyAuthenticator::new(keys, tokens, Arc::new(SystemClock))) as Arc<dyn Authenticator>
        });
        let rest = rest_settings(
            settings,
            service,
            authenticator,
            Arc::clone(observer),
            Guards {
                admission: Arc::clone(&admission),
                requests: Arc::clone(&requests),
            },
        )?;
        readiness.watch_store(name.as_str(), open.store.clone());
        readiness.set_broker(name.as_str(), true);
        match name {
            ServiceName::Event => {
                events = Some((Arc::new(event_service(open, broker, to_relay, service)), rest));
            }
            ServiceName::Booking => {
                let handlers = projection_dispatch(open, broker, service, observer)?;
                consumers.push((Arc::clone(&broker.listener), handlers));
                if let (Some(way), Some(says)) = (mail, &service.mail) {
                    let mailing = mail::dispatch(way, says, open, broker, service, observer)?;
                    consumers.push((Arc::clone(&broker.listener), mailing));
                }
                bookings = Some((
                    Arc::new(booking_service(open, broker, to_relay, service, observer)),
                    rest,
                ));
            }
        }
    }
    let parts = Parts {
        readiness,
        events,
        bookings,
        page: Page::load(settings)?,
    };
    Ok((parts, relays, consumers))
}

fn event_service(
    open: &OpenStore,
    broker: &OpenBroker,
    to_relay: Handover,
    settings: &ServiceSettings,
) -> EventService {
    EventService::with_parts(
        open.store.clone(),
        to_relay,
        Arc::new(SystemClock),
        Arc::new(RandomIds),
        brokers::largest_taken(broker, settings),
    )
}

fn booking_service(
    open: &OpenStore,
    broker: &OpenBroker,
    to_relay: Handover,
    settings: &ServiceSettings,
    observer: &Arc<dyn Observer>,
) -> BookingService {
    let booking = BookingSettings {
        sales: SalesRules {
            max_seats_per_booking: settings.max_seats_per_booking,
            refuse_past_events: settings.refuse_past_events,
        },
        unknown_capacity: settings.unknown_capacity,
        desk_wait: settings.desk_wait,
        request_timeout: settings.request_timeout,
        max_message_bytes: brokers::largest_taken(broker, settings),
    };
    BookingService::with_parts(
        open.store.clone(),
        to_relay,
        Arc::new(SystemClock),
        Arc::new(RandomIds),
        Arc::clone(observer),
        booking,
    )
}

fn relay(
    name: ServiceName,
    open: &OpenStore,
    broker: &OpenBroker,
    offered: HandoverReceiver,
    observer: &Arc<dyn Observer>,
) -> Relay {
    let outbox: Arc<dyn Outbox> = open.store.clone();
    let alone = RelayOptions::default();
    let options = RelayOptions {
        lease: if open.store.capabilities().shared {
            SHARED_LEASE
        } else {
            alone.lease
        },
        report_depth: Some((name.as_str().to_owned(), Duration::from_secs(5))),
        shutdown_timeout: Duration::from_secs(5),
        ..alone
    };
    Relay::new(
        outbox,
        Arc::clone(&broker.emitter),
        offered,
        options,
        Arc::new(SystemClock),
        Arc::clone(observer),
    )
}

fn projection_dispatch(
    open: &OpenStore,
    broker: &OpenBroker,
    settings: &ServiceSettings,
    observer: &Arc<dyn Observer>,
) -> Result<Dispatch> {
    let group = ServiceName::Booking.as_str();
    // Before any relay runs: what it publishes then waits for the group.
    broker.tools.declare(group, &projection::subscribe_names());
    let options = DispatchOptions {
        max_attempts: settings.max_attempts,
        handler_timeout: settings.handler_timeout,
        shutdown_timeout: Duration::from_secs(5),
        // A log has what was announced before this service was there.
        from: if broker.listener.capabilities().replay {
            StartFrom::Beginning
        } else {
            StartFrom::Now
        },
        ..DispatchOptions::default()
    };
    let builder = projection::register(Dispatch::builder(group), open.store.clone());
    let dispatch = builder
        .dead_letters(broker.tools.dead_letters(group, open.dead_letters.clone()))
        .options(options)
        .observer(Arc::clone(observer))
        .build()?;
    Ok(dispatch)
}
