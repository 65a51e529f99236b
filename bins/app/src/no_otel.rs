//! Stands in where feature `otel` is off: nothing is exported, and who asks for it is told.

use std::env;
use std::time::Duration;

use anyhow::Result;
use myevents_core::runtime::config::OtelSettings;
use myevents_core::runtime::telemetry::ExtraLayer;
use tokio::runtime::Handle;

/// An export of nothing.
#[derive(Default)]
pub(crate) struct Export(bool);

impl Export {
    /// What to say in the log once there is one.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        let text =
            "otel_endpoint is set, but this program was built without feature `otel`: no spans are exported";
        self.0.then_some(text)
    }

    /// Nothing is to be sent at a stop.
    pub(crate) fn last(&self, _stop: Duration) -> Duration {
        Duration::ZERO
    }

    /// Nothing is left to send.
    pub(crate) fn finish(self, _within: Duration) {}
}

/// Starts nothing.
///
/// # Errors
/// Never; the real one may find its variables broken.
pub(crate) fn start(
    settings: &OtelSettings,
    _program: &'static str,
    _runtime: &Handle,
) -> Result<(Option<ExtraLayer>, Export)> {
    let traces = env::var_os("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let asked = settings.endpoint.is_some() || traces.is_some_and(|value| !value.is_empty());
    Ok((None, Export(asked)))
}
