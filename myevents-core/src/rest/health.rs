//! `/healthz` and `/readyz`: whether the process lives, and whether it can take requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, response::Response};
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::ports::DatabaseHandler;
use crate::rest::answer::{self, ResponseExt};
use crate::rest::layer::RestLayer;
use crate::rest::settings::RestSettings;

/// How long a store may take to answer before it counts as away.
const PING: Duration = Duration::from_secs(1);

/// What `/readyz` tells. A cheap handle: the copies share one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    stores: Mutex<BTreeMap<String, Arc<dyn DatabaseHandler>>>,
    brokers: Mutex<BTreeMap<String, bool>>,
}

impl Readiness {
    /// Ready, with nothing to ask yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on not ready while `store` can't be reached.
    pub fn watch_store(&self, name: impl Into<String>, store: Arc<dyn DatabaseHandler>) {
        self.0.stores.lock().insert(name.into(), store);
    }

    /// Says whether the broker of `service` can be reached. It shows in the body and does not change the status, as
    /// bookings go on without the broker.
    pub fn set_broker(&self, service: impl Into<String>, reachable: bool) {
        self.0.brokers.lock().insert(service.into(), reachable);
    }

    /// From now on not ready: the service is going to stop.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Whether it can take requests, and the body that says why.
    pub async fn check(&self) -> (bool, Value) {
        let stopping = self.0.stopping.load(Ordering::Acquire);
        let stores = self.0.stores.lock().clone();
        let pings = stores.iter().map(|(name, store)| async move {
            let reached = matches!(tokio::time::timeout(PING, store.ping()).await, Ok(Ok(())));
            (name.clone(), reached)
        });
        let stores: BTreeMap<String, bool> =
            futures_util::future::join_all(pings).await.into_iter().collect();
        let brokers = self.0.brokers.lock().clone();
        let all_stores = stores.values().all(|reached| *reached);
        let ready = all_stores && !stopping;
        let status = match (ready, stopping) {
            (true, _) => "ready",
            (false, true) => "stopping",
            (false, false) => "not-ready",
        };
        let body = json!({
            "status": status,
            "store": word(all_stores),
            "broker": word(brokers.values().all(|reached| *reached)),
            "stores": words(&stores),
            "brokers": words(&brokers),
        });
        (ready, body)
    }
}

fn word(reached: bool) -> &'static str {
    if reached { "connected" } else { "away" }
}

fn words(parts: &BTreeMap<String, bool>) -> BTreeMap<&str, &'static str> {
    parts
        .iter()
        .map(|(name, reached)| (name.as_str(), word(*reached)))
        .collect()
}

/// `/healthz` and `/readyz`, once for all services of a process.
pub fn health_router(readiness: Readiness, settings: &RestSettings) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .layer(RestLayer::exempt(settings))
}

async fn alive() -> Response {
    answer::bytes(StatusCode::OK, r#"{"status":"alive"}"#.into())
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let (ready, body) = readiness.check().await;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let response = answer::bytes(status, body.to_string().into())
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if ready {
        response
    } else {
        response.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}
