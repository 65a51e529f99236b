//! Holds the service against what the clients counted: sold = Σ confirmed = counted, each accepted id there, outbox empty.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::service::{Service, Stored};
use crate::tally::{Accepted, Tally};

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Each is a broken promise.
    pub faults: Vec<String>,
    /// Seats that the counters say are sold.
    pub sold: i64,
    /// Seats of all confirmed bookings.
    pub confirmed: u64,
    /// Seats of the bookings that the clients know of.
    pub counted: u64,
    /// How long the outbox took to run empty; `None` where no metrics were read.
    pub outbox_empty_after: Option<Duration>,
}

impl Findings {
    /// For a program to read.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "ok": self.faults.is_empty(), "faults": self.faults,
            "sold": self.sold, "confirmed": self.confirmed, "counted": self.counted,
            "outbox_empty_after_ms": self.outbox_empty_after.map(|took| took.as_secs_f64() * 1000.0),
        })
    }
}

/// Checks the events of one run. They must have been made for it: bookings of others would count as faults.
///
/// Orders whose outcome stayed unknown may have been booked or not: each allows one booking more than the clients know of.
///
/// # Errors
/// When the service cannot be asked. Broken promises are in the findings.
pub async fn check(
    service: &Service,
    events: &[String],
    tally: &Tally,
    outbox: Duration,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut accepted: HashMap<usize, Vec<&Accepted>> = HashMap::new();
    for each in &tally.accepted {
        accepted.entry(each.event).or_default().push(each);
    }
    let unknown: u64 = tally
        .outcomes
        .iter()
        .filter(|(name, _)| name.starts_with("unknown"))
        .map(|(_, count)| count)
        .sum();
    let mut more_than_known = 0;

    for (index, event) in events.iter().enumerate() {
        let (stored, capacity, sold) = at_rest(service, event, outbox).await?;
        let confirmed = seats(&stored);
        if i64::try_from(confirmed).unwrap_or(i64::MAX) != sold {
            findings.faults.push(format!(
                "event {event}: the counter says {sold} sold, its bookings hold {confirmed}"
            ));
        }
        if sold > capacity {
            findings
                .faults
                .push(format!("event {event}: oversold, {sold} of {capacity}"));
        }
        let known = accepted.get(&index).map_or(&[][..], Vec::as_slice);
        let mut ids = HashMap::new();
        for each in known {
            findings.counted += if each.cancelled { 0 } else { each.seats };
            if ids.insert(each.id.as_str(), each).is_some() {
                findings
                    .faults
                    .push(format!("event {event}: two orders got booking {}", each.id));
            }
            match stored.get(&each.id) {
                None => findings
                    .faults
                    .push(format!("event {event}: accepted booking {} is lost", each.id)),
                Some(found) if found.seats != each.seats || found.confirmed == each.cancelled => {
                    findings.faults.push(format!(
                        "event {event}: booking {} is {found:?}, not {each:?}",
                        each.id
                    ));
                }
                Some(_) => {}
            }
        }
        more_than_known += stored.keys().filter(|id| !ids.contains_key(id.as_str())).count() as u64;
        findings.sold += sold;
        findings.confirmed += confirmed;
    }
    if more_than_known > unknown {
        findings.faults.push(format!(
            "{more_than_known} bookings that no client knows of, and only {unknown} orders of unknown outcome: some were doubled"
        ));
    }
    if service.metrics.is_some() {
        match service.wait_outbox_empty(outbox).await {
            Ok(took) => findings.outbox_empty_after = Some(took),
            Err(error) => findings.faults.push(format!("{error:#}")),
        }
    }
    Ok(findings)
}

/// An event's bookings, its capacity and the seats that its counter says are sold, once both agree: where a commit is
/// carried out in steps, what a killed process left half-done is settled by the others some seconds later. What does not
/// agree within `patience` is given as it is.
async fn at_rest(
    service: &Service,
    event: &str,
    patience: Duration,
) -> Result<(HashMap<String, Stored>, i64, i64)> {
    let deadline = Instant::now() + patience;
    loop {
        let stored = service.bookings(event).await?;
        let (capacity, available) = service.availability(event).await?;
        let sold = capacity - available;
        if i64::try_from(seats(&stored)).is_ok_and(|confirmed| confirmed == sold)
            || Instant::now() >= deadline
        {
            return Ok((stored, capacity, sold));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn seats(stored: &HashMap<String, Stored>) -> u64 {
    let confirmed = stored.values().filter(|each| each.confirmed);
    confirmed.map(|each| each.seats).sum()
}
