//! What does the router itself cost, with no socket: reading one event, and booking a seat in memory?
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends at the first surprise and is no library"
)]

use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use criterion::{Criterion, criterion_group, criterion_main};
use myevents_core::ports::{DatabaseHandler, Store};
use myevents_core::relay::handover;
use myevents_core::rest::{BookingRest, EventRest, RestSettings, booking_router, event_router};
use myevents_core::service::{BookingService, BookingSettings, EventService};
use tower::ServiceExt;

async fn status(router: &Router, method: Method, path: &str, body: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    black_box(
        axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .unwrap(),
    );
    status
}

fn router(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bookable = runtime.block_on(micro::memory());
    let (handover, _receiver) = handover(1_024);
    let store: Arc<dyn Store> = Arc::clone(&bookable.store);
    let records: Arc<dyn DatabaseHandler> = store;
    let settings = RestSettings::default();
    let booking = BookingService::new(Arc::clone(&records), handover.clone(), BookingSettings::default());
    let router = event_router(EventRest {
        service: Arc::new(EventService::new(records, handover)),
        settings: settings.clone(),
    })
    .merge(booking_router(BookingRest {
        service: Arc::new(booking),
        settings,
    }));

    let event = format!("/events/{}", bookable.event);
    criterion.bench_function("router/read one event", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            assert_eq!(status(&router, Method::GET, &event, "").await, StatusCode::OK);
        });
    });
    let book = format!("/events/{}/bookings", bookable.event);
    criterion.bench_function("router/book a seat", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            assert_eq!(
                status(&router, Method::POST, &book, "{\"seats\": 1}").await,
                StatusCode::CREATED
            );
        });
    });
}

criterion_group!(benches, router);
criterion_main!(benches);
