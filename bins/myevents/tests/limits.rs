//! What one person may book of an event: never more, whatever happens at once or is killed, and never less once all is at
//! rest. On every kind of store, over HTTP, by the real program.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test tells what it counted")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::check::check;
use loadtest::program::Program;
use loadtest::service::event_body;
use loadtest::tally::{Accepted, Tally};
use myevents_servers::skip::full_scale;
use serde_json::{Value, json};

use crate::common::{Place, addresses, new_event, scattered, send, start_all, stop_all};

on_every_store! {
    sixty_four_clients_as_eight_people
    kills_never_lift_a_limit_and_never_lower_it
    a_person_is_needed_and_the_refusals_say_why
    limits_that_come_later_count_what_was_booked_before
}

const PEOPLE: u64 = 8;

/// How long a client asks again for one order. Sixty-four of them are far more than DynamoDB Local serves (some ten writes a second
/// on two cores), so a try may end without an answer that settles it, and the next one has no better place than others. Between
/// kills [`Market::wait_accepted`] holds them to bookings that go on.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the event allows each person.
#[derive(Debug, Clone, Copy)]
struct Limits {
    seats: Option<u64>,
    bookings: Option<u64>,
}

/// Two events, each with a limit of its own kind, and a third with both.
const EVENTS: [Limits; 3] = [
    Limits {
        seats: Some(11),
        bookings: None,
    },
    Limits {
        seats: None,
        bookings: Some(4),
    },
    Limits {
        seats: Some(9),
        bookings: Some(5),
    },
];

impl Limits {
    fn allows(self, had: Had) -> bool {
        self.seats.is_none_or(|most| had.seats <= most)
            && self.bookings.is_none_or(|most| had.bookings <= most)
    }
}

/// What a person has of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Had {
    seats: u64,
    bookings: u64,
}

impl Had {
    fn and(self, seats: u64) -> Self {
        Self {
            seats: self.seats + seats,
            bookings: self.bookings + 1,
        }
    }
}

/// The events and the people that all clients of a test share.
#[derive(Debug)]
struct Market {
    programs: Vec<Program>,
    events: Vec<String>,
    users: Vec<String>,
    stop: AtomicBool,
    accepted: AtomicU64,
}

impl Market {
    async fn open(programs: Vec<Program>) -> Arc<Self> {
        let mut events = Vec::new();
        for limits in EVENTS {
            let mut body = event_body("limited", 100_000);
            // The spellings that a client may use.
            body["max_seats_per_person"] = limits.seats.into();
            body["maxBookingsPerPerson"] = limits.bookings.into();
            events.push(new_event(&programs, &body, 100_000).await);
        }
        let mut users = Vec::new();
        for number in 0..PEOPLE {
            let body = json!({"First": "Person", "Last": number.to_string(), "Age": 30});
            let made = send(&programs[0], "POST", "/users", &body).await;
            users.push(made.json().unwrap()["ID"].as_str().unwrap().to_owned());
        }
        Arc::new(Self {
            programs,
            events,
            users,
            stop: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        })
    }

    /// People of the first event are known by their address, in letters of any case; of the others as users.
    fn holder(&self, event: usize, person: u64, turn: u64) -> Holder {
        if event > 0 {
            return Holder::User(self.users[usize::try_from(person).unwrap()].clone());
        }
        let address = format!("person-{person}@example.org");
        Holder::Email(if turn.is_multiple_of(2) {
            address
        } else {
            address.to_uppercase()
        })
    }

    /// What everybody has of an event, as the organiser's list shows it.
    async fn held(&self, event: usize) -> HashMap<u64, Had> {
        let mut held = HashMap::new();
        let path = format!(
            "/events/{}/bookings?state=confirmed&limit=1000",
            self.events[event]
        );
        let list = send(&self.programs[0], "GET", &path, &Value::Null).await;
        assert_eq!(list.header("link"), None, "one page is enough");
        for booking in list.json().unwrap().as_array().unwrap() {
            let person = if event > 0 {
                let user = booking["UserID"].as_str().unwrap();
                self.users.iter().position(|known| known == user).unwrap() as u64
            } else {
                let address = booking["Email"].as_str().unwrap().to_lowercase();
                let digit = address
                    .strip_prefix("person-")
                    .unwrap()
                    .split('@')
                    .next()
                    .unwrap();
                digit.parse().unwrap()
            };
            let had = held.entry(person).or_insert_with(Had::default);
            *had = had.and(booking["Seats"].as_u64().unwrap());
        }
        held
    }

    async fn wait_accepted(&self, more: u64) {
        let wanted = self.accepted.load(Ordering::Relaxed) + more;
        let start = Instant::now();
        while self.accepted.load(Ordering::Relaxed) < wanted {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "clients get no bookings any more"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One of several clients of the same person: books, gives that back before the next order, so that somebody always gets
/// something, and keeps the last. Ends after `turns`, or when the market is closed.
async fn client(market: Arc<Market>, number: u64, turns: u64) -> Tally {
    let person = number % PEOPLE;
    let mut booker = Booker::among(addresses(
        &market.programs,
        usize::try_from(number / PEOPLE).unwrap(),
    ));
    let mut tally = Tally::default();
    let patient = || Instant::now() + PATIENCE;
    for turn in 0..turns {
        if market.stop.load(Ordering::Relaxed) {
            break;
        }
        let event = usize::try_from(turn).unwrap() % market.events.len();
        let seats = u32::try_from(1 + scattered(turn * 64 + number, 4)).unwrap();
        let order = Order {
            event: market.events[event].clone(),
            seats,
            key: format!("client-{number:05}-{turn:010}"),
            holder: market.holder(event, person, turn),
        };
        if let Some(last) = tally.accepted.last_mut()
            && !last.cancelled
        {
            assert!(
                booker.cancel(&last.id, patient()).await,
                "a booking can't be given back"
            );
            last.cancelled = true;
        }
        let start = Instant::now();
        match booker.book(&order, patient()).await {
            Outcome::Booked { id } => {
                // The order is not refused for what it took itself.
                let again = booker.book(&order, patient()).await;
                assert_eq!(again, Outcome::Booked { id: id.clone() });
                tally.accepted.push(Accepted {
                    event,
                    id,
                    seats: u64::from(seats),
                    cancelled: false,
                });
                tally.note("booked", start.elapsed());
                market.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Refused { status: 409, body } => {
                assert!(body.contains("limit-reached"), "{body}");
                tally.note("limit reached", start.elapsed());
            }
            other => panic!("an order ended with {other:?}"),
        }
    }
    tally.retries = booker.retries;
    tally
}

async fn gather(clients: Vec<tokio::task::JoinHandle<Tally>>) -> Tally {
    let mut all = Tally::default();
    for client in clients {
        all.add(client.await.unwrap());
    }
    all
}

/// Nobody has more than they may; and what they may still have they get, to the last seat and not one more.
async fn at_rest_the_limit_is_exact(market: &Market, tally: &mut Tally) {
    for (event, limits) in EVENTS.into_iter().enumerate() {
        let held = market.held(event).await;
        for person in 0..PEOPLE {
            let mut had = held.get(&person).copied().unwrap_or_default();
            assert!(
                limits.allows(had),
                "event {event}, person {person}: {had:?} of {limits:?}"
            );
            for turn in 0_u64.. {
                let mut booker = Booker::among(addresses(&market.programs, usize::try_from(turn).unwrap()));
                // As many seats as a booking may have here, if the person may have so many.
                let left = limits.seats.map_or(3, |most| (most - had.seats).min(3));
                let wanted = left.max(1);
                let order = Order {
                    event: market.events[event].clone(),
                    seats: u32::try_from(wanted).unwrap(),
                    key: format!("at-rest-{event}-{person}-{turn:05}"),
                    holder: market.holder(event, person, turn),
                };
                let outcome = booker
                    .book(&order, Instant::now() + Duration::from_secs(20))
                    .await;
                if limits.allows(had.and(wanted)) {
                    let Outcome::Booked { id } = outcome else {
                        panic!(
                            "event {event}, person {person} with {had:?} of {limits:?}: {wanted} refused by {outcome:?}"
                        );
                    };
                    had = had.and(wanted);
                    tally.accepted.push(Accepted {
                        event,
                        id,
                        seats: wanted,
                        cancelled: false,
                    });
                } else {
                    assert!(
                        matches!(&outcome, Outcome::Refused { status: 409, body } if body.contains("limit-reached")),
                        "event {event}, person {person} with {had:?} of {limits:?}: {wanted} more ended with {outcome:?}"
                    );
                    break;
                }
            }
        }
    }
}

async fn all_agree(market: &Market, tally: &Tally, patience: Duration) {
    let service = &market.programs[0].service;
    let findings = check(service, &market.events, tally, patience).await.unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    assert_eq!(findings.confirmed, findings.counted);
}

async fn sixty_four_clients_as_eight_people(place: Place) {
    let programs = place.programs(2);
    let running = start_all(&programs).await;
    let market = Market::open(programs).await;
    let (turns, enough) = if full_scale() { (30, 200) } else { (15, 100) };
    let clients = (0..64).map(|number| tokio::spawn(client(Arc::clone(&market), number, turns)));
    let mut tally = gather(clients.collect()).await;
    let booked = tally.outcomes["booked"];
    let refused = tally.outcomes["limit reached"];
    assert!(
        booked > enough && refused > enough,
        "{booked} booked, {refused} refused"
    );
    at_rest_the_limit_is_exact(&market, &mut tally).await;
    all_agree(&market, &tally, place.outbox_patience()).await;
    stop_all(running).await;
}

async fn kills_never_lift_a_limit_and_never_lower_it(place: Place) {
    let kills = if full_scale() { 50 } else { 10 };
    let programs = place.programs(2);
    let mut running = start_all(&programs).await;
    let market = Market::open(programs).await;
    let clients: Vec<_> = (0..64)
        .map(|number| tokio::spawn(client(Arc::clone(&market), number, u64::MAX)))
        .collect();
    for round in 0..kills {
        market.wait_accepted(1 + scattered(round, 20)).await;
        tokio::time::sleep(Duration::from_micros(scattered(round, 20_000))).await;
        let victim = usize::try_from(round).unwrap() % running.len();
        running[victim].kill().unwrap();
        running[victim] = market.programs[victim].start_ready().await.unwrap();
    }
    market.wait_accepted(10).await;
    market.stop.store(true, Ordering::Relaxed);
    let mut tally = gather(clients).await;
    assert!(tally.retries > 0, "no kill met an open request");
    at_rest_the_limit_is_exact(&market, &mut tally).await;
    all_agree(&market, &tally, place.outbox_patience()).await;
    eprintln!(
        "{kills} kills: {} bookings accepted, {} asked again; none above a limit, none lost",
        tally.accepted.len(),
        tally.retries
    );
    stop_all(running).await;
}

async fn a_person_is_needed_and_the_refusals_say_why(place: Place) {
    let programs = place.programs(2);
    let running = start_all(&programs).await;
    let mut body = event_body("two limits", 50);
    (body["MaxSeatsPerPerson"], body["MaxBookingsPerPerson"]) = (5.into(), 2.into());
    let event = new_event(&programs, &body, 50).await;
    let shown = send(&programs[0], "GET", &format!("/events/{event}"), &Value::Null).await;
    let shown = shown.json().unwrap();
    assert_eq!(
        (&shown["MaxSeatsPerPerson"], &shown["MaxBookingsPerPerson"]),
        (&json!(5), &json!(2))
    );
    let path = format!("/events/{event}/bookings");
    for program in &programs {
        let nobody = send(program, "POST", &path, &json!({"seats": 1})).await;
        assert_eq!(nobody.status, 422);
        assert!(
            nobody.json().unwrap()["type"]
                .as_str()
                .unwrap()
                .ends_with("person-required")
        );
    }
    let last = programs.last().unwrap();
    let book = async |seats: u32, email: &str| {
        send(last, "POST", &path, &json!({"seats": seats, "email": email})).await
    };
    let too_many = book(6, "ada@example.org").await;
    assert_eq!(too_many.status, 409);
    assert!(
        too_many.json().unwrap()["type"]
            .as_str()
            .unwrap()
            .ends_with("limit-reached")
    );
    let first = book(2, "ada@example.org").await;
    assert_eq!(first.status, 201);
    assert_eq!(
        book(4, "Ada@Example.org").await.status,
        409,
        "the same person in other letters"
    );
    assert_eq!(book(3, "ADA@EXAMPLE.ORG").await.status, 201);
    assert_eq!(book(1, "ada@example.org").await.status, 409);
    assert_eq!(book(5, "bob@example.org").await.status, 201);
    // What is given back counts no more.
    let id = first.json().unwrap()["ID"].as_str().unwrap().to_owned();
    let cancelled = send(&programs[0], "DELETE", &format!("/bookings/{id}"), &Value::Null).await;
    assert_eq!(cancelled.status, 204);
    assert_eq!(book(3, "ada@example.org").await.status, 409);
    assert_eq!(book(2, "ada@example.org").await.status, 201);
    assert_eq!(programs[0].service.availability(&event).await.unwrap(), (50, 40));
    stop_all(running).await;
}

async fn limits_that_come_later_count_what_was_booked_before(place: Place) {
    let programs = place.programs(2);
    let running = start_all(&programs).await;
    let event = new_event(&programs, &event_body("free at first", 50), 50).await;
    let path = format!("/events/{event}/bookings");
    let last = programs.last().unwrap();
    let book = async |seats: u32, email: &str| {
        send(last, "POST", &path, &json!({"seats": seats, "email": email}))
            .await
            .status
    };
    let change = async |seats: Option<u32>, capacity: u64| {
        let mut body = event_body("limited later", capacity);
        body["MaxSeatsPerPerson"] = seats.into();
        let changed = send(&programs[0], "PUT", &format!("/events/{event}"), &body).await;
        assert_eq!(changed.status, 200);
        for program in &programs {
            program.service.wait_bookable(&event, capacity).await.unwrap();
        }
    };
    for _ in 0..3 {
        assert_eq!(book(2, "ada@example.org").await, 201);
    }
    change(Some(7), 51).await;
    assert_eq!(
        book(2, "ada@example.org").await,
        409,
        "six seats and two are more than seven"
    );
    assert_eq!(book(1, "ada@example.org").await, 201);
    assert_eq!(book(7, "bob@example.org").await, 201);
    // Lowered below what somebody has: nobody loses a seat, nobody gets one.
    change(Some(3), 52).await;
    assert_eq!(book(1, "ada@example.org").await, 409);
    assert_eq!(book(3, "eve@example.org").await, 201);
    // Taken away and given again: what was booked meanwhile counts too.
    change(None, 53).await;
    assert_eq!(book(5, "eve@example.org").await, 201);
    change(Some(9), 54).await;
    assert_eq!(book(2, "eve@example.org").await, 409);
    assert_eq!(book(1, "eve@example.org").await, 201);
    assert_eq!(
        programs[0].service.availability(&event).await.unwrap(),
        (54, 54 - 7 - 7 - 9)
    );
    stop_all(running).await;
}
