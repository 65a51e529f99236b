//! One customer: books with an idempotency key and repeats the same request until its outcome is known.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http::{Answer, Connection, request};

/// Whom an order is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Holder {
    /// Nobody that the service is told of.
    #[default]
    Nobody,
    /// Whoever has this e-mail address.
    Email(String),
    /// The user with this id.
    User(String),
}

/// What a customer wants. The key makes every repetition of it the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The event's id.
    pub event: String,
    /// How many seats.
    pub seats: u32,
    /// The idempotency key.
    pub key: String,
    /// Whom it is for.
    pub holder: Holder,
}

impl Order {
    /// The bytes that ask for it.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let path = format!("/events/{}/bookings", self.event);
        let holder = match &self.holder {
            Holder::Nobody => String::new(),
            Holder::Email(email) => format!(",\"email\":\"{email}\""),
            Holder::User(id) => format!(",\"userId\":\"{id}\""),
        };
        let body = format!("{{\"seats\":{}{holder}}}", self.seats);
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", self.key.as_str()),
        ];
        request("POST", &path, &headers, body.as_bytes())
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted under this id; from now on it must be there.
    Booked {
        /// The booking's id.
        id: String,
    },
    /// Refused for good, by this status.
    Refused {
        /// 409, 404, …
        status: u16,
        /// The problem document.
        body: String,
    },
    /// No answer that settles it before the deadline.
    Unknown {
        /// What came last.
        last: String,
    },
}

/// A customer's connection, opened anew whenever it breaks.
#[derive(Debug)]
pub struct Booker {
    /// The service, or several that stand for each other: the first is asked until its connection breaks.
    addresses: VecDeque<SocketAddr>,
    connection: Option<Connection>,
    /// How many requests were repeats.
    pub retries: u64,
}

impl Booker {
    /// A customer of the booking service at this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self::among([address])
    }

    /// A customer of several booking services on one store, who begins with the first and goes on with the next whenever
    /// a connection breaks.
    #[must_use]
    pub fn among(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            connection: None,
            retries: 0,
        }
    }

    /// Books, repeating the request through lost connections, restarts and 503s until `deadline`.
    pub async fn book(&mut self, order: &Order, deadline: Instant) -> Outcome {
        let bytes = order.request();
        let mut pause = Duration::from_millis(5);
        loop {
            let last = match self.send(&bytes).await {
                Ok(answer) => match settled(answer) {
                    Ok(outcome) => return outcome,
                    Err(last) => last,
                },
                Err(error) => error.to_string(),
            };
            if Instant::now() + pause >= deadline {
                return Outcome::Unknown { last };
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(160));
            self.retries += 1;
        }
    }

    /// Cancels a booking, repeating the request until the answer is known; answers whether it is cancelled now.
    pub async fn cancel(&mut self, id: &str, deadline: Instant) -> bool {
        let bytes = request("DELETE", &format!("/bookings/{id}"), &[], b"");
        loop {
            if let Ok(answer) = self.send(&bytes).await
                && answer.status < 500
            {
                return answer.status == 204;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.retries += 1;
        }
    }

    /// Sends one request once, on the open connection or a new one.
    ///
    /// # Errors
    /// When the connection breaks; the next call opens another.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<Answer> {
        let answer = self.exchange(bytes).await;
        if answer.is_err() && self.addresses.len() > 1 {
            self.addresses.rotate_left(1);
        }
        answer
    }

    async fn exchange(&mut self, bytes: &[u8]) -> std::io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) if connection.is_open() => connection,
            _ => match self.addresses.front() {
                Some(address) => Connection::open(*address).await?,
                None => return Err(std::io::ErrorKind::AddrNotAvailable.into()),
            },
        };
        let answer = connection.send_lean(bytes).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// The outcome an answer settles, or why it settles nothing.
fn settled(answer: Answer) -> Result<Outcome, String> {
    match answer.status {
        200 | 201 => match booking_id(&answer.body) {
            Some(id) => Ok(Outcome::Booked { id: id.to_owned() }),
            None => Err(format!("{} without an ID", answer.status)),
        },
        408 | 429 | 500..=599 => Err(format!(
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )),
        status => Ok(Outcome::Refused {
            status,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        }),
    }
}

/// The value of the booking's `ID`, found without decoding the whole body.
#[must_use]
pub fn booking_id(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("\"ID\":\"")?;
    let (id, _) = rest.split_once('"')?;
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_booking_id_is_not_the_events() {
        let body = br#"{"EventID":"aa","Date":1,"ID":"bb","Seats":2}"#;
        assert_eq!(booking_id(body), Some("bb"));
    }

    #[test]
    fn only_definite_answers_settle_an_order() {
        assert!(settled(answer(503, "")).is_err());
        assert!(settled(answer(201, "{}")).is_err());
        assert_eq!(
            settled(answer(201, r#"{"ID":"bb"}"#)),
            Ok(Outcome::Booked { id: "bb".to_owned() })
        );
        assert!(matches!(
            settled(answer(409, "sold out")),
            Ok(Outcome::Refused { status: 409, .. })
        ));
    }
}
