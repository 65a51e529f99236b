//! The loops: closed (each connection sends its next request when the last was answered) and open (requests are due at a
//! fixed rate, whether or not earlier ones were answered).

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::RngExt;

use crate::booker::{Booker, Order, Outcome};
use crate::http::request;
use crate::tally::{Accepted, Tally};

/// What each request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Books between these many seats of a random event, with an idempotency key, until the outcome is known.
    Book {
        /// Seats a booking.
        seats: RangeInclusive<u32>,
    },
    /// Reads a random event.
    Read,
    /// Sends these bytes; any answer below 400 is fine.
    Raw(Vec<u8>),
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom to ask.
    pub address: SocketAddr,
    /// The events, by id.
    pub events: Arc<Vec<String>>,
    /// What to do.
    pub work: Work,
    /// How many connections.
    pub connections: usize,
    /// For how long.
    pub duration: Duration,
    /// Requests a second; `None` = closed loop.
    pub rate: Option<f64>,
    /// How long a booking is repeated before its outcome counts as unknown.
    pub patience: Duration,
}

/// Requests answered so far, for a progress line.
#[derive(Debug, Default)]
pub struct Progress {
    /// All.
    pub answered: AtomicU64,
    /// Accepted bookings.
    pub accepted: AtomicU64,
    /// Failed ones.
    pub failed: AtomicU64,
}

/// The due times of an open loop, handed out to whichever connection is free.
#[derive(Debug)]
struct Schedule {
    start: Instant,
    end: Instant,
    rate: Option<f64>,
    next: AtomicU64,
}

impl Schedule {
    /// When the next request is due: in a closed loop now, in an open one at its turn, even if that has passed. `None` at
    /// the end. Latency counts from this moment, so that a stalled service cannot hide the requests that waited for it.
    async fn due(&self) -> Option<Instant> {
        let Some(rate) = self.rate else {
            let now = Instant::now();
            return (now < self.end).then_some(now);
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.start + Duration::from_secs_f64(turn as f64 / rate);
        if due >= self.end {
            return None;
        }
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some(due)
    }
}

/// Runs it to its end.
///
/// # Errors
/// When the plan makes no sense. Failed requests are counted, not returned.
pub async fn run(plan: Plan, progress: Arc<Progress>) -> Result<Tally> {
    ensure!(plan.connections > 0, "a run needs at least one connection");
    ensure!(
        matches!(plan.work, Work::Raw(_)) || !plan.events.is_empty(),
        "a run needs at least one event"
    );
    ensure!(
        plan.rate.is_none_or(|rate| rate > 0.0),
        "the rate must be above 0"
    );
    let start = Instant::now();
    let schedule = Arc::new(Schedule {
        start,
        end: start + plan.duration,
        rate: plan.rate,
        next: AtomicU64::new(0),
    });
    let plan = Arc::new(plan);
    let clients: Vec<_> = (0..plan.connections)
        .map(|_| {
            tokio::spawn(client(
                Arc::clone(&plan),
                Arc::clone(&schedule),
                Arc::clone(&progress),
            ))
        })
        .collect();
    let mut tally = Tally::default();
    for client in clients {
        tally.add(client.await?);
    }
    tally.elapsed = start.elapsed();
    Ok(tally)
}

async fn client(plan: Arc<Plan>, schedule: Arc<Schedule>, progress: Arc<Progress>) -> Tally {
    let mut tally = Tally::default();
    let mut booker = Booker::new(plan.address);
    // A key of its own for each order, and none that another run has used.
    let run: u128 = rand::rng().random();
    let mut turn = 0_u64;
    while let Some(due) = schedule.due().await {
        turn += 1;
        let event = if plan.events.len() > 1 {
            rand::rng().random_range(0..plan.events.len())
        } else {
            0
        };
        let outcome = match &plan.work {
            Work::Book { seats } => {
                let seats = if seats.start() == seats.end() {
                    *seats.start()
                } else {
                    rand::rng().random_range(seats.clone())
                };
                let order = Order {
                    event: plan.events[event].clone(),
                    seats,
                    key: format!("{run:032x}-{turn}"),
                    ..Order::default()
                };
                match booker.book(&order, Instant::now() + plan.patience).await {
                    Outcome::Booked { id } => {
                        tally.accepted.push(Accepted {
                            event,
                            id,
                            seats: u64::from(seats),
                            cancelled: false,
                        });
                        progress.accepted.fetch_add(1, Ordering::Relaxed);
                        "booked".to_owned()
                    }
                    Outcome::Refused { status, .. } => format!("refused {status}"),
                    Outcome::Unknown { last } => format!("unknown: {last}"),
                }
            }
            Work::Read => {
                let bytes = request("GET", &format!("/events/{}", plan.events[event]), &[], b"");
                plain(&mut booker, &bytes, &mut tally).await
            }
            Work::Raw(bytes) => plain(&mut booker, bytes, &mut tally).await,
        };
        progress.answered.fetch_add(1, Ordering::Relaxed);
        if outcome.starts_with("unknown") || outcome.starts_with("failed") {
            progress.failed.fetch_add(1, Ordering::Relaxed);
        }
        tally.note(&outcome, due.elapsed());
    }
    tally.retries = booker.retries;
    tally
}

async fn plain(booker: &mut Booker, bytes: &[u8], tally: &mut Tally) -> String {
    match booker.send(bytes).await {
        Ok(answer) if answer.status < 400 => {
            tally.body_bytes += answer.body.len() as u64;
            "ok".to_owned()
        }
        Ok(answer) => format!("failed {}", answer.status),
        Err(error) => {
            // Whoever cannot connect must not spin.
            tokio::time::sleep(Duration::from_millis(10)).await;
            format!("failed: {error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_counts_from_the_due_time() {
        let start = Instant::now();
        let schedule = Schedule {
            start,
            end: start + Duration::from_millis(30),
            rate: Some(100.0),
            next: AtomicU64::new(0),
        };
        assert_eq!(schedule.due().await, Some(start));
        // A client that comes late still gets the moment at which the request should have gone out.
        assert_eq!(schedule.due().await, Some(start + Duration::from_millis(10)));
        assert_eq!(schedule.due().await, Some(start + Duration::from_millis(20)));
        assert_eq!(schedule.due().await, None);
    }
}
