//! Announcing again what is stored: with its version, and without what is too large.

use std::sync::Arc;

use myevents_core::ErrorKind;
use myevents_core::contract::{EventUpdated, Message as _};
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{RandomIds, SystemClock};
use myevents_core::relay::handover;
use myevents_core::service::EventService;
use myevents_core::testkit::fixture;

use crate::{draft, events};

#[tokio::test]
async fn republishing_announces_what_is_stored_with_its_version() {
    let events = events();
    for name in ["Aida", "Tosca"] {
        events
            .service
            .create_event(&events.context, None, draft(name))
            .await
            .unwrap();
    }
    events.relay_all().await;
    let mut seen = Vec::new();
    let done = events
        .service
        .republish_all(None, |count| seen.push(count), |id, _| panic!("{id} is small"))
        .await
        .unwrap();
    assert_eq!((done.announced, done.too_large, seen), (2, 0, vec![2]));
    assert_eq!(
        events.relay_all().await,
        vec![(EventUpdated::NAME.to_owned(), Some(1)); 2]
    );
    let unknown = events
        .service
        .republish_event(&fixture::event_id())
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

/// Stored before the limit was lowered, or before a broker that takes less: none of them may keep the others from being announced.
#[tokio::test]
async fn republishing_passes_over_what_is_too_large_and_announces_the_rest() {
    let events = events();
    for name in ["Aida", &"Tosca".repeat(100), "Otello"] {
        events
            .service
            .create_event(&events.context, None, draft(name))
            .await
            .unwrap();
    }
    events.relay_all().await;
    let (to_relay, offered) = handover(1_024);
    let store = Arc::<MemoryStore>::clone(&events.store);
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let strict = EventService::with_parts(store, to_relay, clock, ids, 900);
    let mut refused = Vec::new();
    let done = strict
        .republish_all(None, |_| {}, |id, error| refused.push((id.clone(), error.kind())))
        .await
        .unwrap();
    assert_eq!((done.announced, done.too_large), (2, 1));
    let [(id, ErrorKind::TooLarge)] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    let (rows, _surplus) = offered.take();
    assert_eq!(rows.len(), 2, "nothing waits for the one that was passed over");
    let one = strict.republish_event(id).await.unwrap_err();
    assert_eq!(one.kind(), ErrorKind::TooLarge);
    assert_eq!(events.service.republish_event(id).await.unwrap(), ());
}
