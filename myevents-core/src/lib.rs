//! Event booking that never oversells and never loses an accepted booking.
//!
//! The map, in the order data flows:
//!
//! ```text
//! rest ──► service (use cases) ──► ports::DatabaseHandler ──► one atomic write: state + outbox
//!                                                               │
//!                                             relay ◄── Outbox ─┘
//!                                               ▼
//!                                        ports::EventEmitter ──► broker
//!                                        ports::EventListener ──► dispatch ──► projection
//! ```
//!
//! Features: `rest` (axum routers), `openapi`, `jwt` (sign-in by tokens), `metrics` (Prometheus), `runtime` (what a binary
//! needs), `testkit` (the conformance suites). None is on by default.

#[cfg(feature = "jwt")]
pub mod auth;
pub mod contract;
pub mod counter;
pub mod crash;
pub mod dispatch;
pub mod domain;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod layer;
pub mod local;
pub mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod observe;
pub mod ports;
pub mod projection;
pub mod relay;
#[cfg(feature = "rest")]
pub mod rest;
#[cfg(feature = "runtime")]
pub mod runtime;
pub mod service;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod trace;

pub use error::{Error, ErrorKind, Result};
