//! HTTPS of a listener: certificate, key and the clients' authorities from files, read again while it serves.
//!
//! The crypto provider is handed over, never taken from a global. A connection keeps what it began with; the next one
//! gets what the files say by then. Files that can't be used change nothing.

mod files;
mod validity;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::files::{Contents, Digest, Made};
use super::config::TlsFiles;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Observation, Observer};

/// What a listener's TLS is made of, and what it is now. Clones share it.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
}

struct Inner {
    service: &'static str,
    files: TlsFiles,
    observer: Arc<dyn Observer>,
    now: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Seen>,
}

/// What the files were at the last looks.
struct Seen {
    taken: Digest,
    /// What could not be used, and whether that was told.
    refused: Option<(Digest, bool)>,
}

/// What a look at the files found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Same,
    Taken,
    /// It can't be used: half-written perhaps, so the next look decides.
    Doubted,
    /// It can't be used, and was told now.
    Refused,
    /// It can't be used, and was told before.
    StillRefused,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("service", &self.inner.service)
            .field("files", &self.inner.files)
            .finish_non_exhaustive()
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Tls {
    /// Reads the files of `service`'s listener. HTTP/2 and HTTP/1.1 are offered, TLS 1.3 and 1.2.
    ///
    /// # Errors
    /// `Config` naming the file that is missing or wrong.
    pub fn open(files: TlsFiles, service: &'static str, observer: Arc<dyn Observer>) -> Result<Self> {
        let contents = Contents::read(&files)?;
        let made = contents.make(&files)?;
        let tls = Self {
            inner: Arc::new(Inner {
                service,
                observer,
                seen: Mutex::new(Seen {
                    taken: contents.digest(),
                    refused: None,
                }),
                now: RwLock::new(Arc::clone(&made.config)),
                files,
            }),
        };
        if made.is_over(unix_now()) {
            tracing::warn!(
                service,
                "the certificate of HTTPS is no longer valid: clients will refuse it; renew it"
            );
        }
        tls.show_end(&made);
        Ok(tls)
    }

    /// What the next connection is served with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.inner.now.read())
    }

    /// A handshake that came to nothing.
    pub(super) fn failed(&self, reason: &'static str) {
        self.inner.observer.observe(&Observation::TlsHandshakeFailed {
            service: self.inner.service,
            reason,
        });
    }

    /// Looks at the files every `tls_reload` until `stop` is cancelled, and takes what changed.
    pub async fn watch(self, stop: CancellationToken) {
        let every = self.inner.files.reload;
        if every.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(50)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let tls = self.clone();
            // It fails only when the runtime stops.
            if tokio::task::spawn_blocking(move || tls.look()).await.is_err() {
                return;
            }
        }
    }

    fn look(&self) -> Look {
        let Inner { service, files, .. } = &*self.inner;
        let read = Contents::read(files);
        let digest = match &read {
            Ok(contents) => contents.digest(),
            Err(error) => files::digest_of_fault(error),
        };
        let mut seen = self.inner.seen.lock();
        if digest == seen.taken {
            seen.refused = None;
            return Look::Same;
        }
        match read.and_then(|contents| fresh(contents.make(files)?)) {
            Ok(made) => {
                *self.inner.now.write() = Arc::clone(&made.config);
                seen.taken = digest;
                seen.refused = None;
                tracing::info!(
                    service,
                    certificate = %files.certificate.display(),
                    "HTTPS: a new certificate is in force; open connections keep the one they began with"
                );
                self.reloaded("taken");
                self.show_end(&made);
                Look::Taken
            }
            Err(error) => {
                // A key is written after its certificate, or the other way round.
                let (look, told) = match seen.refused {
                    Some((known, true)) if known == digest => (Look::StillRefused, true),
                    Some((known, false)) if known == digest => (Look::Refused, true),
                    _ => (Look::Doubted, false),
                };
                seen.refused = Some((digest, told));
                if look == Look::Refused {
                    tracing::warn!(
                        service,
                        %error,
                        "HTTPS: the changed files can't be used, the certificate from before stays in force"
                    );
                    self.reloaded("refused");
                }
                look
            }
        }
    }

    fn reloaded(&self, outcome: &'static str) {
        self.inner.observer.observe(&Observation::TlsReload {
            service: self.inner.service,
            outcome,
        });
    }

    fn show_end(&self, made: &Made) {
        if let Some(until) = made.until {
            self.inner.observer.observe(&Observation::TlsCertificate {
                service: self.inner.service,
                until,
            });
        }
    }
}

/// Refuses a certificate in exchange for another one that is over already.
fn fresh(made: Made) -> Result<Made> {
    if made.is_over(unix_now()) {
        return Err(Error::new(
            ErrorKind::Config,
            "read certificate",
            "the new certificate is no longer valid",
        ));
    }
    Ok(made)
}

#[cfg(test)]
mod tests;
