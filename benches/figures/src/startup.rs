//! Start and memory: the time to readiness beside an empty axum program's, and what stays resident.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use loadtest::http::request;
use loadtest::load::{Plan, Progress, Work, run};
use loadtest::service::{ask, event_body};

use crate::Figure;
use crate::rounds::Settings;
use crate::stats::median;
use crate::yardstick::{self, Kind};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (program, running) = settings.start(&folder).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = running.resident_bytes()? as f64 / MIB;
    let (events, bookings) = if settings.quick {
        (200, 2_000)
    } else {
        (10_000, 100_000)
    };
    let service = program.service;
    let hot = Arc::new(vec![service.new_event("filler", 2_000_000_000).await?]);
    let body = event_body("one of many", 100).to_string();
    let create = request(
        "POST",
        "/events",
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    until(settings, service.events, &hot, Work::Raw(create), events).await?;
    until(
        settings,
        service.bookings,
        &hot,
        Work::Book { seats: 1..=1 },
        bookings,
    )
    .await?;
    running.stop().await?;

    let (mut ours, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..if settings.quick { 3 } else { 15 } {
        let start = Instant::now();
        let running = program.start()?;
        ours.push(until_ready(service.events, start).await?);
        running.stop().await?;
        let start = Instant::now();
        let axum = yardstick::spawn(Kind::Axum, folder.path())?;
        empty.push(until_ready(axum.address, start).await?);
        drop(axum);
    }
    let more = median(&ours) - median(&empty);
    Ok(vec![
        Figure {
            what: format!("start to `/readyz` 200, {events} events and {bookings} bookings stored"),
            got: format!(
                "{:.1} ms, {more:.1} ms more than an empty axum program's {:.1} ms",
                median(&ours),
                median(&empty)
            ),
            reach: "≤ 30 ms more".to_owned(),
            met: more <= 30.0,
        },
        Figure {
            what: "memory, idle".to_owned(),
            got: format!("{idle:.1} MiB"),
            reach: "≤ 16 MiB".to_owned(),
            met: idle <= 16.0,
        },
    ])
}

/// Milliseconds from `start` until `/readyz` answers 200, asked every half millisecond.
async fn until_ready(address: std::net::SocketAddr, start: Instant) -> Result<f64> {
    loop {
        if let Ok(answer) = ask(address, "GET", "/readyz", None).await
            && answer.status == 200
        {
            return Ok(start.elapsed().as_secs_f64() * 1000.0);
        }
        ensure!(
            start.elapsed() < Duration::from_secs(30),
            "{address} does not get ready"
        );
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// Repeats `work` until `count` requests were answered.
pub(crate) async fn until(
    settings: &Settings,
    address: std::net::SocketAddr,
    events: &Arc<Vec<String>>,
    work: Work,
    count: u64,
) -> Result<f64> {
    let (mut done, mut seconds) = (0, 0.0);
    while done < count {
        let plan = Plan {
            address,
            events: Arc::clone(events),
            work: work.clone(),
            connections: 64,
            duration: settings.duration().min(Duration::from_secs(2)),
            rate: None,
            patience: Duration::from_secs(30),
        };
        let tally = run(plan, Arc::new(Progress::default())).await?;
        done += tally.latency.len();
        seconds += tally.elapsed.as_secs_f64();
    }
    Ok(done as f64 / seconds)
}
