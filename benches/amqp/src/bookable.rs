//! How long it takes from the request that makes an event until it can be booked at the other service, beside two bare SQLite
//! commits and one bare confirm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use loadtest::http::{Connection, request};
use loadtest::service::event_body;

use crate::bare::{self, Raw};
use crate::machine::BareSqlite;
use crate::stats::{median, percentile};
use crate::{Sizes, messages};

const QUEUE: &str = "bookable";

/// Between two questions. A timer of the runtime counts in milliseconds.
const PAUSE: Duration = Duration::from_micros(100);

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub(crate) async fn measure(url: &str, sizes: &Sizes) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [(events, events_running), (bookings, bookings_running)] = sizes.services(url, &folder).await?;
    let sqlite = BareSqlite::open(folder.path())?;
    let connection = bare::connect(url).await?;
    let channel = bare::confirming(&connection).await?;
    bare::quorum_queue(&channel, QUEUE).await?;
    let one: Arc<Vec<Raw>> = Arc::new(messages(1).iter().map(Raw::new).collect());
    let mut organiser = Connection::open(events.address).await?;
    let mut customer = Connection::open(bookings.address).await?;
    let times = if sizes.quick { 30 } else { 300 };
    let (mut bookable, mut yardstick) = (Vec::new(), Vec::new());
    // One after the other, so that both meet the same disk. The first ones meet a queue that was just made.
    for number in 0..times + 10 {
        let start = Instant::now();
        sqlite.commit()?;
        bare::publish(
            channel.clone(),
            String::new(),
            QUEUE.to_owned(),
            Arc::clone(&one),
            1,
        )
        .await?;
        sqlite.commit()?;
        let least = millis(start.elapsed());

        let body = event_body(&format!("bookable {number}"), 10).to_string();
        let headers = [("content-type", "application/json")];
        let start = Instant::now();
        let answer = organiser
            .send(&request("POST", "/events", &headers, body.as_bytes()))
            .await?;
        let id = answer.json()?["ID"].as_str().unwrap_or_default().to_owned();
        let ask = request("GET", &format!("/events/{id}/availability"), &[], b"");
        while customer.send(&ask).await?.json()?["Available"] != 10 {
            ensure!(
                start.elapsed() < Duration::from_secs(10),
                "event {id} never becomes bookable"
            );
            // Who asks again and again takes a core from those who work on it.
            tokio::task::block_in_place(|| std::thread::sleep(PAUSE));
        }
        if number >= 10 {
            yardstick.push(least);
            bookable.push(millis(start.elapsed()));
        }
    }
    bookings_running.stop().await?;
    events_running.stop().await?;
    let least = median(&yardstick);
    let lines = [(0.5, "p50", 2.0), (0.99, "p99", 4.0)].map(|(share, name, most)| {
        let took = percentile(&bookable, share);
        let met = if took <= most * least { "reached" } else { "**missed**" };
        format!(
            "| event created → bookable, {name} of {times} | ≤ {most} × (two bare commits + one bare confirm) | \
             {:.2} ({took:.2} ms; the yardstick's p50 {least:.2} ms, its p99 {:.2} ms) | {met} |",
            took / least,
            percentile(&yardstick, 0.99)
        )
    });
    Ok(lines.into())
}
