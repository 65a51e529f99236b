//! Prometheus metrics: counts observations into a registry that the caller hands over. Nothing is global.

mod register;

use std::collections::HashMap;

use parking_lot::RwLock;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::domain::EventId;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Observation, Observer};
use crate::ports::OutboxDepth;

use register::{add, counter, counters, durations, fault, gauges, histogram};

/// The default bound of events that have a label of their own.
pub const DEFAULT_MAX_LABEL_VALUES: usize = 1_000;

/// What stands for whatever is past the bound.
const OTHER: &str = "other";

/// The media type of [`render`]'s answer.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Counts observations as Prometheus metrics.
#[derive(Debug)]
pub struct PrometheusObserver {
    tickets: IntCounterVec,
    tickets_by_event: RwLock<HashMap<EventId, IntCounter>>,
    max_label_values: usize,
    seats_per_booking: Histogram,
    accepted: IntCounter,
    refused: IntCounterVec,
    cancelled: IntCounter,
    http_requests: IntCounterVec,
    http_duration: HistogramVec,
    emitted: IntCounterVec,
    emit_failed: IntCounterVec,
    unrouted: IntCounterVec,
    handled: IntCounterVec,
    handler_duration: HistogramVec,
    ignored: IntCounterVec,
    retried: IntCounterVec,
    dead_lettered: IntCounterVec,
    commit_failed: IntCounterVec,
    desk_batch: Histogram,
    outbox_rows: IntGaugeVec,
    outbox_age: IntGaugeVec,
    outbox_parked: IntGaugeVec,
    mails: IntCounterVec,
    audit_unmoved: IntGaugeVec,
    drift: IntGauge,
    tls_reloads: IntCounterVec,
    tls_until: IntGaugeVec,
    tls_failed: IntCounterVec,
    connections_refused: IntCounterVec,
}

impl PrometheusObserver {
    /// Registers all metrics, and those of the process, in `registry`. At most `max_label_values` events get a label
    /// of their own; the rest is counted under `other`.
    ///
    /// # Errors
    /// `Config` when the registry holds a metric of one of the names already.
    pub fn register(registry: &Registry, max_label_values: usize) -> Result<Self> {
        registry
            .register(Box::new(ProcessCollector::for_self()))
            .map_err(fault)?;
        Ok(Self {
            tickets: counters(
                registry,
                "myevents_bookings_count",
                "Amount of booked tickets",
                &["eventID", "eventName"],
            )?,
            tickets_by_event: RwLock::default(),
            max_label_values,
            seats_per_booking: histogram(
                registry,
                "myevents_seats_per_booking",
                "Amount of seats per booking",
                &[1.0, 2.0, 3.0, 4.0],
            )?,
            accepted: counter(
                registry,
                "myevents_bookings_accepted_total",
                "Bookings accepted, replays not counted",
            )?,
            refused: counters(
                registry,
                "myevents_bookings_refused_total",
                "Bookings refused",
                &["reason"],
            )?,
            cancelled: counter(
                registry,
                "myevents_bookings_cancelled_total",
                "Bookings cancelled",
            )?,
            http_requests: counters(
                registry,
                "myevents_http_requests_total",
                "Requests answered",
                &["method", "route", "status"],
            )?,
            http_duration: durations(
                registry,
                "myevents_http_request_duration_seconds",
                "From a request's head to its response's head",
                &["method", "route"],
            )?,
            emitted: counters(
                registry,
                "myevents_messages_emitted_total",
                "Messages the broker took",
                &["name"],
            )?,
            emit_failed: counters(
                registry,
                "myevents_messages_emit_failed_total",
                "Publishes the broker did not take; the message stays in the outbox",
                &["name", "reason"],
            )?,
            unrouted: counters(
                registry,
                "myevents_messages_unrouted_total",
                "Messages taken that nobody subscribes to",
                &["name"],
            )?,
            handled: counters(
                registry,
                "myevents_messages_handled_total",
                "Messages a handler finished",
                &["consumer", "name"],
            )?,
            handler_duration: durations(
                registry,
                "myevents_message_handler_duration_seconds",
                "How long handlers ran that finished",
                &["consumer", "name"],
            )?,
            ignored: counters(
                registry,
                "myevents_messages_ignored_total",
                "Messages acknowledged that no handler wants",
                &["consumer"],
            )?,
            retried: counters(
                registry,
                "myevents_messages_retried_total",
                "Handler failures that are tried again",
                &["consumer", "name"],
            )?,
            dead_lettered: counters(
                registry,
                "myevents_messages_dead_lettered_total",
                "Messages a consumer gave up on",
                &["consumer", "name"],
            )?,
            commit_failed: counters(
                registry,
                "myevents_commits_failed_total",
                "Commits of a consumer's place that the broker did not take",
                &["consumer"],
            )?,
            desk_batch: histogram(
                registry,
                "myevents_desk_batch_size",
                "Jobs a desk handed to the store at once",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0],
            )?,
            outbox_rows: gauges(
                registry,
                "myevents_outbox_depth",
                "Messages waiting in the outbox",
                &["service"],
            )?,
            outbox_age: gauges(
                registry,
                "myevents_outbox_oldest_seconds",
                "Age of the oldest waiting message",
                &["service"],
            )?,
            outbox_parked: gauges(
                registry,
                "myevents_outbox_parked",
                "Messages the broker refused for good",
                &["service"],
            )?,
            mails: counters(
                registry,
                "myevents_mails_total",
                "Mails to holders, by what came of them",
                &["about", "outcome"],
            )?,
            audit_unmoved: gauges(
                registry,
                "myevents_audit_unmoved_records",
                "Records that hold lines of the audit log which should be in the log since minutes; expected 0",
                &["service"],
            )?,
            drift: add(
                registry,
                IntGauge::new(
                    "myevents_counter_drift",
                    "Counters against bookings, summed; expected 0",
                ),
            )?,
            tls_reloads: counters(
                registry,
                "myevents_tls_reloads_total",
                "Changes of the files of HTTPS, by what came of them",
                &["service", "outcome"],
            )?,
            tls_until: gauges(
                registry,
                "myevents_tls_certificate_expiry_seconds",
                "When the certificate of HTTPS ends, in Unix time",
                &["service"],
            )?,
            tls_failed: counters(
                registry,
                "myevents_tls_handshakes_failed_total",
                "TLS handshakes that came to nothing",
                &["service", "reason"],
            )?,
            connections_refused: counters(
                registry,
                "myevents_connections_refused_total",
                "Connections with a request that waited too long for a turn",
                &["listener"],
            )?,
        })
    }

    fn count_tickets(&self, event: &EventId, event_name: &str, seats: u32) {
        if let Some(counter) = self.tickets_by_event.read().get(event) {
            return counter.inc_by(seats.into());
        }
        let mut known = self.tickets_by_event.write();
        let counter = if known.len() < self.max_label_values {
            known
                .entry(event.clone())
                .or_insert_with(|| {
                    self.tickets
                        .with_label_values(&[event.to_string().as_str(), event_name])
                })
                .clone()
        } else {
            self.tickets.with_label_values(&[OTHER, OTHER])
        };
        counter.inc_by(seats.into());
    }

    fn show_outbox(&self, service: &str, depth: OutboxDepth, now_millis: i64) {
        let age = depth
            .oldest
            .map_or(0, |oldest| (now_millis - oldest.0).max(0) / 1_000);
        self.outbox_rows
            .with_label_values(&[service])
            .set(i64::try_from(depth.rows).unwrap_or(i64::MAX));
        self.outbox_age.with_label_values(&[service]).set(age);
        self.outbox_parked
            .with_label_values(&[service])
            .set(i64::try_from(depth.parked).unwrap_or(i64::MAX));
    }
}

/// The method as a label: clients can send any word.
fn method_label(method: &str) -> &str {
    match method {
        "GET" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "HEAD" | "PATCH" => method,
        _ => OTHER,
    }
}

impl Observer for PrometheusObserver {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::HttpRequest {
                method,
                route,
                status,
                elapsed,
            } => {
                let method = method_label(method);
                let mut digits = [0_u8; 3];
                let status = status_label(*status, &mut digits);
                self.http_requests
                    .with_label_values(&[method, route, status])
                    .inc();
                self.http_duration
                    .with_label_values(&[method, route])
                    .observe(elapsed.as_secs_f64());
            }
            Observation::BookingAccepted {
                event,
                event_name,
                seats,
            } => {
                self.accepted.inc();
                self.seats_per_booking.observe(f64::from(*seats));
                self.count_tickets(event, event_name, *seats);
            }
            Observation::BookingRefused { reason } => self.refused.with_label_values(&[*reason]).inc(),
            Observation::BookingCancelled { .. } => self.cancelled.inc(),
            Observation::DeskBatch { size } => {
                self.desk_batch
                    .observe(f64::from(u32::try_from(*size).unwrap_or(u32::MAX)));
            }
            Observation::MessageEmitted { name } => self.emitted.with_label_values(&[name.as_str()]).inc(),
            Observation::EmitFailed { name, reason } => {
                self.emit_failed.with_label_values(&[name.as_str(), reason]).inc();
            }
            Observation::MessageUnrouted { name } => self.unrouted.with_label_values(&[name.as_str()]).inc(),
            Observation::MessageHandled {
                consumer,
                name,
                elapsed,
            } => {
                self.handled.with_label_values(&[*consumer, name.as_str()]).inc();
                let labels = [*consumer, name.as_str()];
                self.handler_duration
                    .with_label_values(&labels)
                    .observe(elapsed.as_secs_f64());
            }
            // The name came over the wire and could be anything, so it is no label.
            Observation::MessageIgnored { consumer, .. } => {
                self.ignored.with_label_values(&[*consumer]).inc()
            }
            Observation::MessageRetried { consumer, name } => {
                self.retried.with_label_values(&[*consumer, name.as_str()]).inc();
            }
            Observation::MessageDeadLettered { consumer, name } => {
                self.dead_lettered
                    .with_label_values(&[*consumer, name.as_str()])
                    .inc();
            }
            Observation::CommitFailed { consumer } => {
                self.commit_failed.with_label_values(&[*consumer]).inc()
            }
            Observation::Outbox { service, depth, now } => self.show_outbox(service, *depth, now.0),
            Observation::Mail { about, outcome } => self.mails.with_label_values(&[*about, *outcome]).inc(),
            Observation::AuditUnmoved { service, records } => self
                .audit_unmoved
                .with_label_values(&[*service])
                .set(i64::try_from(*records).unwrap_or(i64::MAX)),
            Observation::CounterDrift { drift } => self.drift.set(*drift),
            Observation::TlsReload { service, outcome } => {
                self.tls_reloads.with_label_values(&[service, outcome]).inc();
            }
            Observation::TlsCertificate { service, until } => {
                self.tls_until.with_label_values(&[service]).set(*until);
                // There from the start, as the first of a series is no increase.
                for outcome in ["taken", "refused"] {
                    self.tls_reloads.with_label_values(&[*service, outcome]).inc_by(0);
                }
            }
            Observation::ConnectionRefused { listener } => {
                self.connections_refused.with_label_values(&[*listener]).inc();
            }
            Observation::TlsHandshakeFailed { service, reason } => {
                self.tls_failed.with_label_values(&[service, reason]).inc();
            }
        }
    }
}

fn status_label(status: u16, digits: &mut [u8; 3]) -> &str {
    for (place, divisor) in digits.iter_mut().zip([100, 10, 1]) {
        *place = b'0' + u8::try_from(status / divisor % 10).unwrap_or(0);
    }
    std::str::from_utf8(digits).unwrap_or(OTHER)
}

/// All metrics of `registry` in Prometheus' text format.
///
/// # Errors
/// `Internal` when a metric can't be encoded.
pub fn render(registry: &Registry) -> Result<String> {
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&registry.gather(), &mut text)
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "render metrics", "can't encode").caused_by(error)
        })?;
    String::from_utf8(text)
        .map_err(|error| Error::new(ErrorKind::Internal, "render metrics", "not text").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, start: &str) -> Option<String> {
        text.lines()
            .find(|line| line.starts_with(start))
            .map(ToOwned::to_owned)
    }

    #[test]
    fn tickets_are_counted_in_seats_and_labels_are_bounded() {
        let registry = Registry::new();
        let observer = PrometheusObserver::register(&registry, 1).unwrap();
        for (id, seats) in [([1; 12], 2), ([1; 12], 3), ([2; 12], 4)] {
            let event = EventId::from(id);
            observer.observe(&Observation::BookingAccepted {
                event: &event,
                event_name: "Aida",
                seats,
            });
        }
        let text = render(&registry).unwrap();
        let first = format!(
            "myevents_bookings_count{{eventID=\"{}\",eventName=\"Aida\"}}",
            EventId::from([1; 12])
        );
        assert_eq!(line(&text, &first), Some(format!("{first} 5")));
        let other = "myevents_bookings_count{eventID=\"other\",eventName=\"other\"}";
        assert_eq!(line(&text, other), Some(format!("{other} 4")));
        assert_eq!(
            line(&text, "myevents_bookings_accepted_total"),
            Some("myevents_bookings_accepted_total 3".into())
        );
        assert_eq!(
            line(&text, "myevents_seats_per_booking_bucket{le=\"3\"}"),
            Some("myevents_seats_per_booking_bucket{le=\"3\"} 2".into())
        );
        assert!(text.contains("process_"));
    }

    #[test]
    fn lines_of_the_audit_log_outside_of_it_are_shown_by_service() {
        let registry = Registry::new();
        let observer = PrometheusObserver::register(&registry, 1).unwrap();
        let series = "myevents_audit_unmoved_records{service=\"eventservice\"}";
        for records in [3, 0] {
            observer.observe(&Observation::AuditUnmoved {
                service: "eventservice",
                records,
            });
            let text = render(&registry).unwrap();
            assert_eq!(line(&text, series), Some(format!("{series} {records}")));
        }
    }

    #[test]
    fn any_method_word_stays_one_label() {
        let registry = Registry::new();
        let observer = PrometheusObserver::register(&registry, 1).unwrap();
        observer.observe(&Observation::HttpRequest {
            method: "BREW",
            route: "/events/{id}",
            status: 405,
            elapsed: std::time::Duration::from_millis(1),
        });
        let text = render(&registry).unwrap();
        let series = "myevents_http_requests_total{method=\"other\",route=\"/events/{id}\",status=\"405\"} 1";
        assert!(text.contains(series), "{text}");
    }
}
