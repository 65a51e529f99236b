//! Stands in where feature `otel` is off: nothing is exported, and who asks for it is told.

use std::env;

use anyhow::Result;
use myevents_core::runtime::telemetry::ExtraLayer;
use tokio::runtime::Handle;

/// An export of nothing.
#[derive(Default)]
pub(crate) struct Export(bool);

impl Export {
    /// Nothing is left to send.
    pub(crate) fn finish(self) {}

    /// What to say in the log once there is one.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        let text = "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program was built without feature `otel`: no traces are exported";
        self.0.then_some(text)
    }
}

/// Starts nothing.
///
/// # Errors
/// Never; the real one may find its variables broken.
pub(crate) fn start(_program: &'static str, _runtime: &Handle) -> Result<(Option<ExtraLayer>, Export)> {
    let asked = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ]
    .iter()
    .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    Ok((None, Export(asked)))
}
