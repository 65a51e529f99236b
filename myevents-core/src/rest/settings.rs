//! How the routes behave, whoever mounts them.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;

use crate::observe::{NoObserver, Observer};
use crate::rest::{Admission, Authenticator, Turns};

/// Requests in flight where nothing is said.
const MAX_REQUESTS: usize = 10_000;
/// And of these worked on at once.
const ACTIVE_REQUESTS: usize = 512;

/// Settings of the routers.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// What stands before our paths where a proxy in front has cut it off, such as `/api`; empty = nothing. A prefix that
    /// axum's `nest` cut off is found by itself.
    pub prefix: String,
    /// Which pages of other origins may read answers.
    pub cors_origins: CorsOrigins,
    /// The largest body of a request; more is answered 413.
    pub max_body_bytes: usize,
    /// How long a client may take to send its body; longer is answered 408.
    pub body_timeout: Duration,
    /// Who is let in, and how often; shared by the routers of a process. `None` = everybody, always.
    pub admission: Option<Arc<Admission>>,
    /// Who finds out who asks; `None` = nobody signs in, and everybody who gets here may do everything.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Whom the organiser's list of bookings answers where nobody signs in.
    pub organiser_list: OrganiserList,
    /// Room for requests in flight, for all routers that share it; one that finds none is answered 503. Health and
    /// documents take none of it.
    pub requests: Arc<Semaphore>,
    /// Whose turn it is of these; for all routers that share it.
    pub turns: Arc<Turns>,
    /// Who counts the requests.
    pub observer: Arc<dyn Observer>,
}

/// Whom the organiser's list of an event's bookings, with names and addresses, answers where nobody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganiserList {
    /// Nobody.
    Closed,
    /// Whoever is on this machine, for services that listen on loopback only. A proxy on this machine comes over loopback
    /// too: a request with a header of forwarding, which the proxy has to add, is refused; so is one that names another host,
    /// as a name that was pointed here does, or that another site's page sends.
    ThisMachine,
    /// Everybody.
    Open,
}

/// Which pages of other origins may read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Every page.
    Any,
    /// Pages of these origins, such as `https://tickets.example`.
    List(Vec<HeaderValue>),
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            cors_origins: CorsOrigins::Any,
            max_body_bytes: 1 << 20,
            body_timeout: Duration::from_secs(10),
            admission: None,
            authenticator: None,
            organiser_list: OrganiserList::Closed,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            turns: Arc::new(Turns::new(ACTIVE_REQUESTS)),
            observer: Arc::new(NoObserver),
        }
    }
}

impl CorsOrigins {
    /// Reads `*` or a list of origins.
    ///
    /// # Errors
    /// `Config` when one of them can't stand in a header.
    pub fn parse<'a>(origins: impl IntoIterator<Item = &'a str>) -> crate::Result<Self> {
        let mut list = Vec::new();
        for origin in origins {
            if origin.trim() == "*" {
                return Ok(Self::Any);
            }
            list.push(HeaderValue::from_str(origin.trim()).map_err(|_| {
                crate::Error::new(
                    crate::ErrorKind::Config,
                    "read cors_origins",
                    "an origin holds characters that no header may hold",
                )
            })?);
        }
        Ok(Self::List(list))
    }
}
