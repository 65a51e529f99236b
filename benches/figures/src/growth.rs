//! What it costs as it grows: bookings a second and memory after a million bookings, a page far down a long list.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use loadtest::http::{Connection, request};
use loadtest::load::Work;
use loadtest::program::Running;
use loadtest::service::{Service, event_body};

use crate::Figure;
use crate::rounds::Settings;
use crate::startup::until;
use crate::stats::median;

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (program, running) = settings.start(&folder).await?;
    let service = program.service;
    let hot = Arc::new(vec![service.new_event("hot", 2_000_000_000).await?]);
    let book = || Work::Book { seats: 1..=1 };
    let stored = if settings.quick { 5_000 } else { 1_000_000 };

    let mut empty = Vec::new();
    for _ in 0..3 {
        empty.push(until(settings, service.bookings, &hot, book(), 1).await?);
    }
    until(settings, service.bookings, &hot, book(), stored).await?;
    let mut full = Vec::new();
    for _ in 0..3 {
        full.push(until(settings, service.bookings, &hot, book(), 1).await?);
    }
    let ratio = median(&full) / median(&empty);
    let mut figures = vec![Figure {
        what: format!("bookings/s with {stored} bookings stored"),
        got: format!(
            "{ratio:.2} of the empty store's ({:.0}/s to {:.0}/s)",
            median(&empty),
            median(&full)
        ),
        reach: "≥ 0.8".to_owned(),
        met: ratio >= 0.8,
    }];
    figures.push(memory(&running, stored)?);
    figures.push(far_page(settings, &service, &hot).await?);
    running.stop().await?;
    Ok(figures)
}

fn memory(running: &Running, stored: u64) -> Result<Figure> {
    let resident = running.resident_bytes()? as f64 / (1024.0 * 1024.0);
    Ok(Figure {
        what: format!("memory after {stored} bookings"),
        got: format!("{resident:.1} MiB"),
        reach: "≤ 48 MiB".to_owned(),
        met: resident <= 48.0,
    })
}

/// The page at nine tenths of a long list beside the first one.
async fn far_page(settings: &Settings, service: &Service, hot: &Arc<Vec<String>>) -> Result<Figure> {
    let (events, page) = if settings.quick {
        (1_000_u64, 100_u64)
    } else {
        (100_000, 1_000)
    };
    let body = event_body("one of many", 100).to_string();
    let create = request(
        "POST",
        "/events",
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    until(settings, service.events, hot, Work::Raw(create), events).await?;

    let mut connection = Connection::open(service.events).await?;
    let first = format!("/events?limit={page}");
    let mut far = first.clone();
    for _ in 0..events * 9 / 10 / page {
        let answer = connection.send(&request("GET", &far, &[], b"")).await?;
        let next = answer.header("link").and_then(loadtest::service::next_page);
        ensure!(next.is_some(), "the list ends early at {far}");
        far = next.unwrap_or_default();
    }
    let (mut near_times, mut far_times) = (Vec::new(), Vec::new());
    for round in 0..15 {
        for (path, times) in [(&first, &mut near_times), (&far, &mut far_times)] {
            // Asked for in words of its own, so that no kept page answers and the store has to read.
            let path = format!("{path}&round={round}");
            let ask = request("GET", &path, &[], b"");
            let start = Instant::now();
            let answer = connection.send(&ask).await?;
            ensure!(answer.status == 200, "{path} answered {}", answer.status);
            times.push(millis(start.elapsed()));
        }
    }
    let ratio = median(&far_times) / median(&near_times);
    Ok(Figure {
        what: format!("list page at event {} of {events}", events * 9 / 10),
        got: format!(
            "{ratio:.2} × the first page ({:.2} ms to {:.2} ms)",
            median(&near_times),
            median(&far_times)
        ),
        reach: "≤ 2 ×".to_owned(),
        met: ratio <= 2.0,
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
