//! Logging: text for people on a terminal, one JSON object a line for everything else.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::{Error, ErrorKind, Result};

/// Starts logging to standard error for the whole process. For programs, never for libraries: `directives` is a level or
/// a list such as `info,myevents_core=debug`; `format` is `auto`, `text` or `json`.
///
/// # Errors
/// `Config` when the directives can't be read, or a subscriber is there already.
pub fn start(directives: &str, format: &str) -> Result<()> {
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            "start logging",
            "the log directives can't be read",
        )
        .with("log", directives)
        .caused_by(error)
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = format == "json" || (format == "auto" && !terminal);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_ansi(terminal)).try_init()
    };
    started.map_err(|error| {
        Error::new(ErrorKind::Config, "start logging", "logging was started before").caused_by(error)
    })
}
