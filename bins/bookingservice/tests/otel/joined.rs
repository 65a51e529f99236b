//! The two services as processes that export their spans, joined by a broker.

use std::path::Path;

use loadtest::program::Running;
use loadtest::service::Service;
use loadtest::single::Single;
use serde_json::json;

use crate::collector::Collector;
use crate::post;

/// What the event service calls itself in its spans; the booking service keeps its own name.
pub(crate) const ORGANISING: &str = "organising";

pub(crate) struct Joined {
    pub(crate) service: Service,
    running: [Running; 2],
}

impl Joined {
    /// Starts both in `folder`, with these settings beside the collector's, and lets one event and one booking pass: until
    /// queue and connections are there a publish may be refused and tried again, which would be in the trace.
    pub(crate) async fn start(
        folder: &Path,
        (collector, endpoint): (&Collector, &str),
        settings: &[(&str, &str)],
    ) -> Self {
        let own = env!("CARGO_BIN_EXE_bookingservice");
        let mut events = Single::beside(own, "eventservice", folder).unwrap();
        let mut bookings = Single::beside(own, "bookingservice", folder).unwrap();
        let exports = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ];
        for single in [&mut events, &mut bookings] {
            for (name, value) in exports.iter().chain(settings) {
                single.environment.push(((*name).into(), (*value).into()));
            }
        }
        let named = ("OTEL_SERVICE_NAME".to_owned(), ORGANISING.to_owned());
        events.environment.push(named);
        let joined = Self {
            service: Service {
                events: events.address,
                bookings: bookings.address,
                metrics: None,
            },
            running: [
                events.start_ready().await.unwrap(),
                bookings.start_ready().await.unwrap(),
            ],
        };
        let event = joined.service.new_event("before", 10).await.unwrap();
        let path = format!("/events/{event}/bookings");
        let answer = post(joined.service.bookings, &path, &json!({"seats": 1}), None).await;
        assert_eq!(answer.status, 201);
        collector.wait_any("publish event.booked").await;
        joined
    }

    /// Stops both, which has to go well, and answers what they printed.
    pub(crate) async fn stop(self) -> String {
        let mut logs = String::new();
        for running in self.running {
            logs.push_str(&running.log());
            running.stop().await.unwrap();
        }
        logs
    }
}
