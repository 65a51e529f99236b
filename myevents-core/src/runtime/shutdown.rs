//! Stopping: the first signal asks for it, the second one insists.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            "listen for signals",
            "no signal handler can be set",
        )
        .caused_by(error)
    })
}

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once with status 130 (SIGINT) or 143
/// (SIGTERM): nothing accepted is lost by that, the next start picks it up.
///
/// # Errors
/// `Internal` when no handler can be set.
pub fn on_signals() -> Result<CancellationToken> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        loop {
            let status = tokio::select! {
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
            };
            if asked.is_cancelled() {
                tracing::warn!("stopping at once: a second signal came");
                std::process::exit(status);
            }
            tracing::info!("stopping: a signal came; another one stops at once");
            asked.cancel();
        }
    });
    Ok(token)
}
