//! What does it cost to make the message of a booking, and to read it again?
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends at the first surprise and is no library"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use myevents_core::contract::{BookingAnnouncement, Envelope, EventBooked, Message};
use myevents_core::testkit::fixture;

fn envelope(criterion: &mut Criterion) {
    let booking = fixture::booking(&fixture::event_id(), 2);
    let build = || {
        let body = EventBooked(BookingAnnouncement::new(&booking, booking.version));
        Envelope::builder(fixture::message_id(), EventBooked::name(), booking.id.to_string())
            .header("source", "/bookingservice")
            .body(serde_json::to_vec(&body).unwrap())
            .build()
    };
    criterion.bench_function("envelope/build", |bencher| bencher.iter(|| black_box(build())));
    let built = build();
    criterion.bench_function("envelope/decode", |bencher| {
        bencher.iter(|| EventBooked::decode(black_box(&built)).unwrap());
    });
}

criterion_group!(benches, envelope);
criterion_main!(benches);
