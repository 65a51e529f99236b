//! Many customers want the last seats at once, over HTTP, from the real program.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loadtest::booker::{Booker, Order, Outcome};
use loadtest::check::check;
use loadtest::program::Program;
use loadtest::service::event_body;
use loadtest::tally::{Accepted, Tally};

use crate::common::{Place, addresses, new_event, start_all, stop_all};

on_every_store! {
    three_thousand_orders_for_a_thousand_seats
    one_key_sixty_four_times_at_once_is_one_booking
}

/// An order, how it ended, and how many seats the refusal said were left.
#[derive(Debug)]
struct Ended {
    seats: u32,
    booked: Option<String>,
    available: Option<u64>,
}

/// Clients of all programs want seats of one event; order by order, as many at a time as there are clients.
async fn race(
    programs: &[Program],
    event: &str,
    capacity_key: &str,
    orders: usize,
    clients: usize,
) -> Vec<Ended> {
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..clients)
        .map(|number| {
            let (next, event, key) = (Arc::clone(&next), event.to_owned(), capacity_key.to_owned());
            let addresses = addresses(programs, number);
            tokio::spawn(async move {
                let mut booker = Booker::among(addresses);
                let mut ended = Vec::new();
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= orders {
                        return ended;
                    }
                    // 1 to 4 seats in an order that repeats nothing obvious.
                    let seats = u32::try_from(1 + (turn * 7 + turn / 5) % 4).unwrap();
                    let order = Order {
                        event: event.clone(),
                        seats,
                        key: format!("{key}-race-{turn:010}"),
                        ..Order::default()
                    };
                    let outcome = booker
                        .book(&order, Instant::now() + Duration::from_secs(60))
                        .await;
                    ended.push(match outcome {
                        Outcome::Booked { id } => Ended {
                            seats,
                            booked: Some(id),
                            available: None,
                        },
                        Outcome::Refused { status: 409, body } => {
                            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
                            let available = problem["available"].as_u64();
                            assert!(
                                available.is_some(),
                                "a refusal says how many seats are left: {problem}"
                            );
                            Ended {
                                seats,
                                booked: None,
                                available,
                            }
                        }
                        other => panic!("an order ended with {other:?}"),
                    });
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

fn tally_of(ended: &[Ended]) -> Tally {
    let mut tally = Tally::default();
    for each in ended {
        if let Some(id) = &each.booked {
            let (id, seats) = (id.clone(), u64::from(each.seats));
            tally.accepted.push(Accepted {
                event: 0,
                id,
                seats,
                cancelled: false,
            });
        }
    }
    tally
}

async fn three_thousand_orders_for_a_thousand_seats(place: Place) {
    let programs = place.programs(2);
    let running = start_all(&programs).await;
    let event = new_event(&programs, &event_body("race", 1_000), 1_000).await;

    let ended = race(&programs, &event, "first", 3_000, 64).await;
    assert_eq!(ended.len(), 3_000);
    let sold: u64 = ended
        .iter()
        .filter(|each| each.booked.is_some())
        .map(|each| u64::from(each.seats))
        .sum();
    for each in &ended {
        if let Some(available) = each.available {
            assert!(
                available < u64::from(each.seats),
                "refused {} seats with {available} left",
                each.seats
            );
        }
    }
    // Single seats were still wanted after the last one went, so nothing may be left over.
    assert_eq!(sold, 1_000);
    let findings = check(
        &programs[0].service,
        std::slice::from_ref(&event),
        &tally_of(&ended),
        Duration::from_secs(30),
    )
    .await
    .unwrap();
    assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    assert_eq!((findings.sold, findings.confirmed), (1_000, 1_000));

    // The same keys again: every booking is found again, every refusal stays one, and nothing changes.
    let again = race(&programs, &event, "first", 3_000, 64).await;
    let mut before: Vec<_> = ended.into_iter().filter_map(|each| each.booked).collect();
    let mut after: Vec<_> = again.into_iter().filter_map(|each| each.booked).collect();
    before.sort();
    after.sort();
    assert_eq!(before, after);
    for program in &programs {
        assert_eq!(program.service.availability(&event).await.unwrap(), (1_000, 0));
    }
    stop_all(running).await;
}

async fn one_key_sixty_four_times_at_once_is_one_booking(place: Place) {
    let programs = place.programs(2);
    let running = start_all(&programs).await;
    let event = new_event(&programs, &event_body("one key", 1_000), 1_000).await;
    let order = Order {
        event: event.clone(),
        seats: 3,
        key: "the-one-and-only-key".to_owned(),
        ..Order::default()
    };
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let (order, addresses) = (order.clone(), addresses(&programs, number));
            tokio::spawn(async move {
                Booker::among(addresses)
                    .book(&order, Instant::now() + Duration::from_secs(60))
                    .await
            })
        })
        .collect();
    let mut ids = Vec::new();
    for client in clients {
        match client.await.unwrap() {
            Outcome::Booked { id } => ids.push(id),
            other => panic!("an order ended with {other:?}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one key, several bookings: {ids:?}");
    let other = Order { seats: 4, ..order };
    for program in &programs {
        assert_eq!(program.service.availability(&event).await.unwrap(), (1_000, 997));
        let mut booker = Booker::new(program.service.bookings);
        let outcome = booker.book(&other, Instant::now() + Duration::from_secs(5)).await;
        assert!(
            matches!(outcome, Outcome::Refused { status: 422, .. }),
            "{outcome:?}"
        );
    }
    stop_all(running).await;
}
