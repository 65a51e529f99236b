//! Logging: text for people on a terminal, one JSON object a line for everything else.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::error::{Error, ErrorKind, Result};

/// A layer beside that of the log, which filters for itself.
pub type ExtraLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to standard error for the whole process. For programs, never for libraries: `directives` is a level or
/// a list such as `info,myevents_core=debug`; `format` is `auto`, `text` or `json`. `extra` gets spans and events too, whatever
/// the directives say.
///
/// # Errors
/// `Config` when the directives can't be read, or a subscriber is there already.
pub fn start(directives: &str, format: &str, extra: Option<ExtraLayer>) -> Result<()> {
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
    let started = match extra {
        // What the directives do not want costs no more than a look at a number.
        None => tracing_subscriber::registry()
            .with(filter)
            .with(log(json, terminal))
            .try_init(),
        Some(extra) => tracing_subscriber::registry()
            .with(extra)
            .with(log(json, terminal).with_filter(filter))
            .try_init(),
    };
    started.map_err(|error| {
        Error::new(ErrorKind::Config, "start logging", "logging was started before").caused_by(error)
    })
}

fn log<S>(json: bool, terminal: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if json {
        layer.json().flatten_event(true).boxed()
    } else {
        layer.with_ansi(terminal).boxed()
    }
}
