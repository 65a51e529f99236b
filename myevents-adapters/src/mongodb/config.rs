//! Where the database is, whose it is, and how it is used; the settings of a URL that would lose bookings are refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mongodb::options::{Acknowledgment, ClientOptions, Tls, TlsOptions};
use myevents_core::relay::SHARED_LEASE;
use myevents_core::{Error, ErrorKind, Result};

use super::error::{Sends, fault};
use crate::trust::{self, DATABASE_CA};

/// Who opens the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MongoMode {
    /// A running service: makes what is missing at its first start and finishes what others left half-done.
    Service,
    /// A command beside it: finds a store or says that there is none, and leaves its messages to the service's relay.
    Tool,
}

/// How to open a [`MongoStore`](super::MongoStore).
#[derive(Clone)]
#[non_exhaustive]
pub struct MongoConfig {
    /// The connection string. Not read where a client is handed over.
    pub url: String,
    /// The authorities of the servers' certificates, PEM, and no others. With it the servers are spoken to over TLS or not
    /// at all. A client certificate is named in the URL (`tlsCertificateKeyFile`).
    pub ca: Option<PathBuf>,
    /// The database; else the one in the URL, else `myevents`, for the booking service `myevents_booking`.
    pub database: Option<String>,
    /// Whose store it is, such as `eventservice`. Kept in the store: another role is refused.
    pub role: String,
    /// Who opens it.
    pub mode: MongoMode,
    /// Whether indexes that are not there are made.
    pub create_indexes: bool,
    /// For how long messages are born leased to this instance, whose relay they are handed to; `None` = they are born
    /// free, for another instance's relay.
    pub lease: Option<Duration>,
    /// How long one call to the server may take before its answer counts as lost.
    pub call_timeout: Duration,
    /// How long opening waits for a server that is away.
    pub open_timeout: Duration,
    /// How long a booking or cancel that met a failure is tried on; its own deadline may come earlier.
    pub patience: Duration,
    /// How often it is looked for what others left half-done, and how old that has to be.
    pub recovery: Duration,
}

impl MongoConfig {
    /// The store of a running service.
    pub fn service(url: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca: None,
            database: None,
            role: role.into(),
            mode: MongoMode::Service,
            create_indexes: true,
            lease: Some(SHARED_LEASE),
            call_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            recovery: Duration::from_secs(5),
        }
    }

    /// The same store for a command beside the service.
    pub fn tool(url: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            mode: MongoMode::Tool,
            create_indexes: false,
            lease: None,
            open_timeout: Duration::from_secs(10),
            ..Self::service(url, role)
        }
    }

    /// Sets the database.
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Sets whether indexes that are not there are made.
    #[must_use]
    pub fn create_indexes(mut self, create: bool) -> Self {
        self.create_indexes = create;
        self
    }

    /// The name of the database, given the one of the URL.
    pub(super) fn database_name(&self, of_url: Option<&str>) -> String {
        let default = if self.role == "bookingservice" {
            "myevents_booking"
        } else {
            "myevents"
        };
        let chosen = self.database.as_deref().or(of_url).unwrap_or(default);
        chosen.to_owned()
    }

    /// The URL for people: without a password.
    #[must_use]
    pub fn shown_url(&self) -> String {
        without_password(&self.url)
    }

    /// The driver's options, once the URL was found to be safe.
    ///
    /// # Errors
    /// `Config` for a URL that can't be read or that would lose writes; `Unavailable` when its names can't be resolved.
    pub async fn client_options(&self) -> Result<ClientOptions> {
        let mut options = ClientOptions::parse(&self.url).await.map_err(|source| {
            let error = fault("read dbconnection", Sends::Read, source);
            match error.kind() {
                ErrorKind::Unavailable => error.with("url", self.shown_url()),
                // The driver's words may repeat the URL, password and all.
                _ => Error::new(
                    ErrorKind::Config,
                    "read dbconnection",
                    "the connection string is not one of MongoDB, or has an option it does not know",
                )
                .with("url", self.shown_url()),
            }
        })?;
        check(&options).map_err(|error| error.with("url", self.shown_url()))?;
        if let Some(path) = &self.ca {
            trust::authorities(DATABASE_CA, path)?;
            options.tls = Some(self.trusting(options.tls.take(), path)?);
        }
        options
            .app_name
            .get_or_insert_with(|| format!("myevents-{}", self.role));
        // Below the time of a call: the driver's word comes first, as it says why no server is there (its certificate, say).
        let looking = self.call_timeout * 4 / 5;
        let asked = options.server_selection_timeout;
        options.server_selection_timeout = Some(asked.map_or(looking, |asked| asked.min(looking)));
        options.connect_timeout.get_or_insert(self.call_timeout);
        Ok(options)
    }
}

impl MongoConfig {
    /// The URL's TLS with the authorities of [`ca`](Self::ca).
    fn trusting(&self, of_url: Option<Tls>, path: &Path) -> Result<Tls> {
        let refused = |message| Err(trust::refused(DATABASE_CA, message).with("url", self.shown_url()));
        let mut tls = match of_url {
            Some(Tls::Disabled) => {
                return refused("dbconnection says tls=false: leave that out, or database_tls_ca");
            }
            Some(Tls::Enabled(tls)) => tls,
            None => TlsOptions::default(),
        };
        if tls.ca_file_path.as_deref().is_some_and(|of_url| of_url != path) {
            return refused("dbconnection says tlsCAFile too: leave one of them out");
        }
        if tls.allow_invalid_certificates == Some(true) {
            return refused(
                "dbconnection turns the proof of the server off: leave that out, or database_tls_ca",
            );
        }
        tls.ca_file_path = Some(path.to_owned());
        Ok(Tls::Enabled(tls))
    }
}

/// Refuses settings under which an acknowledged booking could be lost, and names what to write instead.
fn check(options: &ClientOptions) -> Result<()> {
    let refused = |option: &str, remedy: &str| {
        Err(Error::new(
            ErrorKind::Config,
            "read dbconnection",
            format!("{option} would lose acknowledged bookings: {remedy}"),
        ))
    };
    let Some(concern) = &options.write_concern else {
        return Ok(());
    };
    if concern.w == Some(Acknowledgment::Nodes(0)) {
        return refused("w=0", "leave it out, or write w=majority");
    }
    if concern.journal == Some(false) {
        return refused("journal=false", "leave it out, or write journal=true");
    }
    Ok(())
}

/// Hides the password of a connection string; a text that is none shows nothing before its last `@`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return match url.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => url.to_owned(),
        };
    };
    // A password may hold a `/` that should have been encoded: what is before the last `@` is never shown whole.
    let query = rest.find('?').unwrap_or(rest.len());
    let Some(at) = rest[..query].rfind('@') else {
        return url.to_owned();
    };
    let user = rest[..at].split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:…@{}", &rest[at + 1..])
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("url", &self.shown_url())
            .field("ca", &self.ca)
            .field("database", &self.database)
            .field("role", &self.role)
            .field("mode", &self.mode)
            .field("create_indexes", &self.create_indexes)
            .field("lease", &self.lease)
            .field("call_timeout", &self.call_timeout)
            .field("open_timeout", &self.open_timeout)
            .field("patience", &self.patience)
            .field("recovery", &self.recovery)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(url: &str) -> String {
        let refused = MongoConfig::service(url, "eventservice").client_options().await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
        error.to_string()
    }

    #[tokio::test]
    async fn a_url_that_would_lose_bookings_is_refused_with_the_option_and_the_remedy() {
        let told = refusal("mongodb://ada:secret@127.0.0.1/?w=0").await;
        assert!(told.contains("w=0") && told.contains("w=majority"), "{told}");
        assert!(!told.contains("secret"), "{told}");
        for url in [
            "mongodb://127.0.0.1/?journal=false",
            "mongodb://127.0.0.1/?w=2&journal=false",
        ] {
            let told = refusal(url).await;
            assert!(
                told.contains("journal=false") && told.contains("journal=true"),
                "{told}"
            );
        }
        for url in ["mongo://127.0.0.1", "", "mongodb://:secret@/x?nonsense=1"] {
            let told = refusal(url).await;
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[tokio::test]
    async fn what_is_safe_is_taken_and_bounded() {
        let config = MongoConfig::service(
            "mongodb://127.0.0.1/other?w=majority&journal=true",
            "bookingservice",
        );
        let options = config.client_options().await.unwrap();
        assert_eq!(
            options.server_selection_timeout,
            Some(config.call_timeout * 4 / 5)
        );
        assert_eq!(config.database_name(options.default_database.as_deref()), "other");
    }

    #[test]
    fn the_database_is_chosen_by_role_where_nothing_is_said() {
        let name = |role: &str| MongoConfig::service("", role).database_name(None);
        assert_eq!(name("eventservice"), "myevents");
        assert_eq!(name("bookingservice"), "myevents_booking");
        let config = MongoConfig::service("", "bookingservice").database("mine");
        assert_eq!(config.database_name(Some("of_url")), "mine");
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("mongodb://h:1/d", "mongodb://h:1/d"),
            ("mongodb://u:p@h:1/d?w=1", "mongodb://u:…@h:1/d?w=1"),
            ("mongodb+srv://u:p%40x@h/d", "mongodb+srv://u:…@h/d"),
            ("mongodb://u:p/q@h", "mongodb://u:…@h"),
            ("u:p@h", "…@h"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let config = MongoConfig::service("mongodb://u:hidden@h", "eventservice");
        assert!(!format!("{config:?}").contains("hidden"));
    }
}
