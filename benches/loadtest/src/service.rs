//! What a test asks a running service: an event to be made, its seats, its bookings, its metrics.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::{Answer, Connection, request};

/// Where a service is.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The event service's API.
    pub events: SocketAddr,
    /// The booking service's API; the same in the all-in-one program.
    pub bookings: SocketAddr,
    /// The metrics, if they are to be read.
    pub metrics: Option<SocketAddr>,
}

/// A booking as the organiser's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many seats.
    pub seats: u64,
    /// Whether it holds them.
    pub confirmed: bool,
}

/// One request on a connection of its own.
///
/// # Errors
/// When nobody answers.
pub async fn ask(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let headers = [("content-type", "application/json")];
    let headers = if body.is_some() { &headers[..] } else { &[] };
    let mut connection = Connection::open(address)
        .await
        .with_context(|| format!("connecting to {address}"))?;
    let answer = connection
        .send(&request(method, path, headers, bytes.as_bytes()))
        .await;
    answer.with_context(|| format!("{method} {path}"))
}

/// An event's document with one hall of this capacity, some weeks ahead.
#[must_use]
pub fn event_body(name: &str, capacity: u64) -> Value {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let start = now + 30 * 86_400;
    json!({
        "Name": name, "Duration": 120, "StartDate": start, "EndDate": start + 7_200,
        "Location": {
            "Name": "Load Hall", "Address": "1 Test Street", "Country": "Nowhere", "OpenTime": 8, "CloseTime": 23,
            "Halls": [{"name": "Main", "location": "ground floor", "capacity": capacity}],
        },
    })
}

impl Service {
    /// Makes an event of this capacity and waits until seats of it can be booked. Answers its id.
    ///
    /// # Errors
    /// When it is refused, or not bookable within half a minute.
    pub async fn new_event(&self, name: &str, capacity: u64) -> Result<String> {
        let answer = ask(self.events, "POST", "/events", Some(&event_body(name, capacity))).await?;
        ensure!(
            answer.status == 201,
            "creating an event: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let id = answer.json()?["ID"]
            .as_str()
            .context("an event without an ID")?
            .to_owned();
        self.wait_bookable(&id, capacity).await?;
        Ok(id)
    }

    /// Whether the booking service has heard of the event with this capacity, so that its seats can be booked.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn is_bookable(&self, event: &str, capacity: u64) -> Result<bool> {
        let path = format!("/events/{event}/availability");
        let answer = ask(self.bookings, "GET", &path, None).await?;
        if answer.status != 200 || answer.json()?["Capacity"] != capacity {
            return Ok(false);
        }
        // Where the counter is a record of its own, the event comes a moment after it. A booking of more seats than one may
        // have is refused, but not as that of an unknown event.
        let path = format!("/events/{event}/bookings");
        let probe = ask(self.bookings, "POST", &path, Some(&json!({"seats": 1_000_000}))).await?;
        Ok(probe.status != 404)
    }

    /// Waits until the booking service has heard of the event with this capacity.
    ///
    /// # Errors
    /// When that takes more than two minutes: a group of Kafka's is without its dead members only when their session is over.
    pub async fn wait_bookable(&self, event: &str, capacity: u64) -> Result<()> {
        let start = Instant::now();
        while !self.is_bookable(event, capacity).await? {
            ensure!(
                start.elapsed() < Duration::from_secs(120),
                "event {event} is not bookable"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Capacity and free seats of an event.
    ///
    /// # Errors
    /// When it is unknown, or its capacity is.
    pub async fn availability(&self, event: &str) -> Result<(i64, i64)> {
        let answer = ask(
            self.bookings,
            "GET",
            &format!("/events/{event}/availability"),
            None,
        )
        .await?;
        let body = answer.json()?;
        let number = |name: &str| {
            body[name]
                .as_i64()
                .with_context(|| format!("no {name} in {} {body}", answer.status))
        };
        Ok((number("Capacity")?, number("Available")?))
    }

    /// All bookings of an event, by id, read page by page.
    ///
    /// # Errors
    /// When a page is refused, or a booking comes twice.
    pub async fn bookings(&self, event: &str) -> Result<HashMap<String, Stored>> {
        let mut all = HashMap::new();
        let mut next = Some(format!("/events/{event}/bookings?limit=1000"));
        let mut connection = Connection::open(self.bookings).await?;
        while let Some(path) = next {
            let answer = connection.send(&request("GET", &path, &[], b"")).await?;
            ensure!(
                answer.status == 200,
                "{path}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
            for booking in answer.json()?.as_array().context("bookings are a list")? {
                let id = booking["ID"]
                    .as_str()
                    .context("a booking without an ID")?
                    .to_owned();
                let stored = Stored {
                    seats: booking["Seats"].as_u64().context("a booking without seats")?,
                    confirmed: booking["State"] == "confirmed",
                };
                ensure!(
                    all.insert(id.clone(), stored).is_none(),
                    "the list shows booking {id} twice"
                );
            }
            next = answer.header("link").and_then(next_page);
        }
        Ok(all)
    }

    /// The sum of all series of one metric; `None` when there is no such series.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn metric(&self, name: &str) -> Result<Option<f64>> {
        let address = self.metrics.context("no metrics address was given")?;
        let answer = ask(address, "GET", "/metrics", None).await?;
        ensure!(answer.status == 200, "metrics answered {}", answer.status);
        Ok(sum_of(&String::from_utf8_lossy(&answer.body), name))
    }

    /// Waits until no message waits in any outbox; answers how long that took.
    ///
    /// # Errors
    /// When messages are left after `patience`.
    pub async fn wait_outbox_empty(&self, patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let depth = self
                .metric("myevents_outbox_depth")
                .await?
                .context("no metric myevents_outbox_depth")?;
            if depth == 0.0 {
                return Ok(start.elapsed());
            }
            if start.elapsed() > patience {
                bail!("{depth} messages are still in the outbox after {patience:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `/readyz` answers 200; answers how long that took.
    ///
    /// # Errors
    /// When that takes longer than `patience`.
    pub async fn wait_ready(&self, patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let answer = ask(self.bookings, "GET", "/readyz", None).await;
            match answer {
                Ok(answer) if answer.status == 200 => return Ok(start.elapsed()),
                _ if start.elapsed() < patience => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(answer) => bail!(
                    "not ready: {} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ),
                Err(error) => return Err(error.context("not ready")),
            }
        }
    }

    /// Waits until `/readyz` of both services says this of the broker.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or one of them is not ready meanwhile: they serve without the broker.
    pub async fn wait_broker(&self, state: &str, patience: Duration) -> Result<()> {
        let start = Instant::now();
        for address in [self.events, self.bookings] {
            loop {
                let answer = ask(address, "GET", "/readyz", None).await?;
                ensure!(
                    answer.status == 200,
                    "{address} is not ready: {} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                );
                let said = &answer.json()?["broker"];
                if said == state {
                    break;
                }
                ensure!(
                    start.elapsed() < patience,
                    "{address} says that the broker is {said}, not {state}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

/// The path of the next page, from a `Link` header.
#[must_use]
pub fn next_page(link: &str) -> Option<String> {
    let entry = link.split(',').find(|entry| entry.contains("rel=\"next\""))?;
    let url = entry.split_once('<')?.1.split_once('>')?.0;
    let path = match url.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => url,
    };
    Some(path.to_owned())
}

/// Adds up all series of one metric in the text form.
fn sum_of(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_followed_with_or_without_a_host() {
        assert_eq!(
            next_page("</a?cursor=x>; rel=\"next\"").as_deref(),
            Some("/a?cursor=x")
        );
        assert_eq!(
            next_page("<http://h:1/a?b=c>; rel=\"next\"").as_deref(),
            Some("/a?b=c")
        );
        assert_eq!(next_page("</a>; rel=\"prev\""), None);
    }

    #[test]
    fn a_metric_is_the_sum_of_its_series_only() {
        let text = "# HELP depth x\ndepth{service=\"a\"} 2\ndepth{service=\"b\"} 3\ndepth_age 9\n";
        assert_eq!(sum_of(text, "depth"), Some(5.0));
        assert_eq!(sum_of(text, "missing"), None);
    }
}
