//! What a binary needs: settings, logging, the HTTP server with its limits, stopping on a signal.

pub mod config;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
