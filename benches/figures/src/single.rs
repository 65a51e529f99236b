//! What one request takes while nothing else happens: a booking, and an event until it can be booked.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use loadtest::booker::{Booker, Order, Outcome};
use loadtest::http::{Connection, request};
use loadtest::service::event_body;

use crate::Figure;
use crate::machine::BareSqlite;
use crate::rounds::Settings;
use crate::stats::{median, percentile};

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (program, running) = settings.start(&folder).await?;
    let service = program.service;
    let event = service.new_event("alone", 1_000_000).await?;
    let bare = BareSqlite::open(folder.path())?;
    let times = if settings.quick { 60 } else { 600 };

    // One after the other, so that both meet the same disk.
    let (mut bookings, mut commits) = (Vec::new(), Vec::new());
    let mut booker = Booker::new(service.bookings);
    for number in 0..times {
        commits.push(millis(bare.commit()?));
        let order = Order {
            event: event.clone(),
            seats: 1,
            key: format!("alone-in-the-hall-{number}"),
            ..Order::default()
        };
        let start = Instant::now();
        let outcome = booker.book(&order, start + Duration::from_secs(10)).await;
        ensure!(matches!(outcome, Outcome::Booked { .. }), "{outcome:?}");
        bookings.push(millis(start.elapsed()));
    }
    let commit = median(&commits);
    let mut figures = vec![Figure {
        what: "one booking alone, p50".to_owned(),
        got: format!(
            "{:.2} ms = {:.2} bare SQLite commits of {commit:.2} ms",
            median(&bookings),
            median(&bookings) / commit
        ),
        reach: "≤ 2 commits".to_owned(),
        met: median(&bookings) <= 2.0 * commit,
    }];

    let (mut bookable, mut two_commits) = (Vec::new(), Vec::new());
    let mut events = Connection::open(service.events).await?;
    let mut seats = Connection::open(service.bookings).await?;
    for number in 0..times / 2 {
        two_commits.push(millis(bare.commit()? + bare.commit()?));
        let body = event_body(&format!("bookable {number}"), 10).to_string();
        let start = Instant::now();
        let answer = events
            .send(&request(
                "POST",
                "/events",
                &[("content-type", "application/json")],
                body.as_bytes(),
            ))
            .await?;
        let id = answer.json()?["ID"].as_str().unwrap_or_default().to_owned();
        let ask = request("GET", &format!("/events/{id}/availability"), &[], b"");
        while seats.send(&ask).await?.json()?["Available"] != 10 {
            ensure!(
                start.elapsed() < Duration::from_secs(10),
                "event {id} never becomes bookable"
            );
        }
        bookable.push(millis(start.elapsed()));
    }
    let two = median(&two_commits);
    for (share, name, times) in [(0.5, "p50", 2.0), (0.99, "p99", 4.0)] {
        let took = percentile(&bookable, share);
        figures.push(Figure {
            what: format!("event created → bookable, {name}"),
            got: format!(
                "{took:.2} ms = {:.2} × two bare commits of {two:.2} ms (p99 {:.2} ms)",
                took / two,
                percentile(&two_commits, 0.99)
            ),
            reach: format!("≤ {times} ×"),
            met: took <= times * two,
        });
    }
    running.stop().await?;
    Ok(figures)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
