//! Both services in one test: memory stores, the `local` broker and a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Dispatch;
use crate::domain::{EventId, Hall, Minutes, Name, PersonLimits, Seats, Text};
use crate::error::{Error, ErrorKind, Result};
use crate::local::{LocalBroker, LocalOptions};
use crate::memory::MemoryStore;
use crate::observe::NoObserver;
use crate::ports::{Clock, EventEmitter, Outbox as _, Outcome, RandomIds};
use crate::projection;
use crate::relay::{Relay, RelayOptions, handover};
use crate::service::{
    BookingDraft, BookingService, BookingSettings, DEFAULT_MAX_MESSAGE_BYTES, EventDraft, EventService,
    LocationDraft, RequestContext,
};
use crate::testkit::TestClock;

/// The consumer group of the harness's booking service.
const GROUP: &str = "booking";
/// How many steps without any progress mean that nothing more will come of it.
const PATIENCE: usize = 5;

/// An event service and a booking service in memory, for tests of code that uses them.
///
/// Messages travel only when the test says so: a write is announced by [`settle`](Self::settle), which returns when the
/// other service has handled it. Until then the test sees what people see while a message is on its way.
///
/// ```
/// use myevents_core::ports::Outcome;
/// use myevents_core::testkit::Harness;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> myevents_core::Result<()> {
/// let harness = Harness::start()?;
/// let event = harness.create_event("opera aida", 10).await?;
/// assert!(matches!(harness.book(&event, 2).await?, Outcome::UnknownEvent));
///
/// harness.settle().await?;
/// assert!(matches!(harness.book(&event, 7).await?, Outcome::Booked(_)));
/// assert!(matches!(harness.book(&event, 4).await?, Outcome::SoldOut { available: 3 }));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Harness {
    clock: Arc<TestClock>,
    events: Arc<EventService>,
    bookings: Arc<BookingService>,
    event_store: Arc<MemoryStore>,
    booking_store: Arc<MemoryStore>,
    broker: LocalBroker,
    relays: Mutex<[Relay; 2]>,
    stop: CancellationToken,
}

impl Harness {
    /// Starts both services with default settings. Must be called within a runtime; dropping the harness stops them.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn start() -> Result<Self> {
        Self::with_settings(BookingSettings::default())
    }

    /// Starts both services with these settings for the booking service.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn with_settings(settings: BookingSettings) -> Result<Self> {
        let clock = Arc::new(TestClock::default());
        let time: Arc<dyn Clock> = clock.clone();
        let event_store = Arc::new(MemoryStore::new(Arc::clone(&time)));
        let booking_store = Arc::new(MemoryStore::new(Arc::clone(&time)));
        let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
        let emitter: Arc<dyn EventEmitter> = Arc::new(broker.clone());

        let relay_of = |store: &Arc<MemoryStore>| {
            let (offers, receiver) = handover(1_024);
            let relay = Relay::new(
                store.clone(),
                Arc::clone(&emitter),
                receiver,
                RelayOptions::default(),
                Arc::clone(&time),
                Arc::new(NoObserver),
            );
            (offers, relay)
        };
        let (event_offers, event_relay) = relay_of(&event_store);
        let (booking_offers, booking_relay) = relay_of(&booking_store);
        let events = EventService::with_parts(
            event_store.clone(),
            event_offers,
            Arc::clone(&time),
            Arc::new(RandomIds),
            DEFAULT_MAX_MESSAGE_BYTES,
        );
        let bookings = BookingService::with_parts(
            booking_store.clone(),
            booking_offers,
            Arc::clone(&time),
            Arc::new(RandomIds),
            Arc::new(NoObserver),
            settings,
        );

        let dispatch = projection::register(Dispatch::builder(GROUP), booking_store.clone())
            .dead_letters(broker.dead_letters(GROUP, booking_store.clone()))
            .clock(time)
            .build()?;
        // Declared before anything is published, as the task below may start later.
        broker.declare(GROUP, &dispatch.names());
        let stop = CancellationToken::new();
        let (listener, stopping) = (Arc::new(broker.clone()), stop.clone());
        tokio::spawn(async move { dispatch.run(listener, stopping).await });
        Ok(Self {
            clock,
            events: Arc::new(events),
            bookings: Arc::new(bookings),
            event_store,
            booking_store,
            broker,
            relays: Mutex::new([event_relay, booking_relay]),
            stop,
        })
    }

    /// The event service's use cases.
    #[must_use]
    pub fn events(&self) -> &Arc<EventService> {
        &self.events
    }

    /// The booking service's use cases.
    #[must_use]
    pub fn bookings(&self) -> &Arc<BookingService> {
        &self.bookings
    }

    /// The event service's records and outbox.
    #[must_use]
    pub fn event_store(&self) -> &Arc<MemoryStore> {
        &self.event_store
    }

    /// The booking service's records, outbox and dead letters.
    #[must_use]
    pub fn booking_store(&self) -> &Arc<MemoryStore> {
        &self.booking_store
    }

    /// The broker between them: subscribe to it with a group of your own to hear what is announced.
    #[must_use]
    pub fn broker(&self) -> &LocalBroker {
        &self.broker
    }

    /// The clock of both services. It stands still until it is moved.
    #[must_use]
    pub fn clock(&self) -> &Arc<TestClock> {
        &self.clock
    }

    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Delivers all messages, and those that their handling causes, until none waits in either outbox.
    ///
    /// # Errors
    /// `Unavailable` when messages are left that nobody takes.
    pub async fn settle(&self) -> Result<()> {
        let mut relays = self.relays.lock().await;
        let mut idle = 0;
        while idle < PATIENCE {
            let mut confirmed = 0;
            for relay in relays.iter_mut() {
                confirmed += relay.relay_once().await.confirmed;
            }
            if self.waiting().await? == 0 {
                return Ok(());
            }
            idle = if confirmed == 0 { idle + 1 } else { 0 };
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "settle",
            "messages are left that nobody takes",
        )
        .with("messages", self.waiting().await?))
    }

    /// How many messages wait in both outboxes.
    ///
    /// # Errors
    /// None that a test could cause.
    pub async fn waiting(&self) -> Result<u64> {
        Ok(self.event_store.depth().await?.rows + self.booking_store.depth().await?.rows)
    }

    /// Creates an event a day from now in one hall with `capacity` seats.
    ///
    /// # Errors
    /// As [`EventService::create_event`].
    pub async fn create_event(&self, name: &str, capacity: u32) -> Result<EventId> {
        let start = self.clock.now().plus(Duration::from_secs(24 * 60 * 60));
        let draft = EventDraft {
            id: None,
            name: Name::parse("Name", name)?,
            duration: Minutes::parse(120)?,
            start: start.seconds(),
            end: start.plus(Duration::from_secs(2 * 60 * 60)).seconds(),
            location: Some(LocationDraft {
                name: Text::parse("Name", "Harness hall")?,
                halls: vec![Hall {
                    name: Text::parse("name", "main")?,
                    location: Text::default(),
                    capacity,
                }],
                ..LocationDraft::default()
            }),
            hall_names: Vec::new(),
            sales_start: None,
            sales_end: None,
            max_seats_per_booking: None,
            person_limits: PersonLimits::default(),
        };
        let created = self
            .events
            .create_event(&RequestContext::default(), None, draft)
            .await?;
        Ok(created.record.event.id)
    }

    /// Books seats for nobody in particular.
    ///
    /// # Errors
    /// As [`BookingService::book_event`].
    pub async fn book(&self, event: &EventId, seats: u32) -> Result<Outcome> {
        let draft = BookingDraft {
            id: None,
            event: event.clone(),
            seats: Seats::parse(seats.into())?,
            name: None,
            email: None,
            user: None,
        };
        self.bookings
            .book_event(&RequestContext::default(), None, draft)
            .await
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::contract::{EventBooked, Message as _};
    use crate::ports::{EventListener as _, StartFrom, Subscription};

    #[tokio::test]
    async fn what_is_announced_is_bookable_and_bookings_are_announced() {
        let harness = Harness::start().unwrap();
        let subscription = Subscription {
            group: "a-third-service".to_owned(),
            names: vec![EventBooked::name()],
            prefetch: 1,
            from: StartFrom::Now,
        };
        let mut heard = harness.broker().subscribe(subscription).await.unwrap();
        let event = harness.create_event("opera aida", 3).await.unwrap();
        assert_eq!(harness.waiting().await.unwrap(), 1);
        harness.settle().await.unwrap();
        let Outcome::Booked(booking) = harness.book(&event, 2).await.unwrap() else {
            panic!("seats were there");
        };
        let hearing = async {
            let delivery = heard.next().await.unwrap();
            let EventBooked(booked) = EventBooked::decode(&delivery.envelope).unwrap();
            delivery.ack().await.unwrap();
            booked
        };
        let (settled, booked) = tokio::join!(harness.settle(), hearing);
        settled.unwrap();
        assert_eq!(booked.booking_id, Some(booking.id.to_string()));
        assert_eq!(harness.waiting().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_cancelled_event_reaches_the_other_service() {
        let harness = Harness::start().unwrap();
        let event = harness.create_event("opera aida", 3).await.unwrap();
        harness.settle().await.unwrap();
        harness
            .events()
            .cancel_event(&RequestContext::default(), &event)
            .await
            .unwrap();
        assert!(matches!(
            harness.book(&event, 1).await.unwrap(),
            Outcome::Booked(_)
        ));
        harness.settle().await.unwrap();
        assert!(matches!(
            harness.book(&event, 1).await.unwrap(),
            Outcome::EventCancelled
        ));
    }

    #[tokio::test]
    async fn the_clock_stands_still_until_it_is_moved() {
        let harness = Harness::start().unwrap();
        let before = harness.clock().now();
        harness.advance(Duration::from_secs(60));
        assert_eq!(harness.clock().now(), before.plus(Duration::from_secs(60)));
        let settings = BookingSettings {
            sales: crate::service::SalesRules {
                refuse_past_events: true,
                ..Default::default()
            },
            ..BookingSettings::default()
        };
        let harness = Harness::with_settings(settings).unwrap();
        let event = harness.create_event("yesterday's", 3).await.unwrap();
        harness.settle().await.unwrap();
        harness.advance(Duration::from_secs(3 * 24 * 60 * 60));
        assert!(matches!(
            harness.book(&event, 1).await.unwrap(),
            Outcome::NotOnSale
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_told() {
        let harness = Harness::start().unwrap();
        harness.create_event("opera aida", 3).await.unwrap();
        crate::ports::EventListener::close(harness.broker())
            .await
            .unwrap();
        let error = harness.settle().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(harness.waiting().await.unwrap(), 1);
    }
}
