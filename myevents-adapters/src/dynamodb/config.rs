//! Where the tables are, whose they are, and how they are used.

use std::path::PathBuf;
use std::time::Duration;

use myevents_core::relay::SHARED_LEASE;
use myevents_core::{Error, ErrorKind, Result};

/// How to open a [`DynamoStore`](super::DynamoStore).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DynamoConfig {
    /// Another endpoint than the region's own, such as `http://localhost:8000` for DynamoDB Local. Region and
    /// credentials come from the SDK's own chain (environment, profile, container, instance).
    pub endpoint: Option<String>,
    /// The authorities of the endpoint's certificate, PEM, and no others; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// Whose tables they are, such as `eventservice`. Kept in them: another role is refused.
    pub role: String,
    /// Opened by a command beside a running service: its messages are left for the service's relay, no tables are made.
    pub tool: bool,
    /// Whether tables and indexes that are not there are made.
    pub create_tables: bool,
    /// Put before the names of all tables.
    pub table_prefix: String,
    /// For how long messages are born leased to this instance, whose relay they are handed to; `None` = they are born
    /// free, for another instance's relay.
    pub lease: Option<Duration>,
    /// For how long a write is tried again while it is throttled, in conflict, or its outcome is unknown. Below the
    /// time a request may take.
    pub patience: Duration,
    /// For how long one try may take.
    pub attempt_timeout: Duration,
    /// For how long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long to wait for the indexes, which follow the tables a little later, before what they lack is believed.
    pub index_patience: Duration,
}

impl DynamoConfig {
    /// The tables of a running service.
    pub fn service(role: impl Into<String>) -> Self {
        Self {
            endpoint: None,
            ca: None,
            role: role.into(),
            tool: false,
            create_tables: true,
            table_prefix: String::new(),
            lease: Some(SHARED_LEASE),
            patience: Duration::from_secs(8),
            attempt_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(1),
            index_patience: Duration::from_secs(1),
        }
    }

    /// The same tables for a command beside the service.
    pub fn tool(role: impl Into<String>) -> Self {
        Self {
            tool: true,
            create_tables: false,
            lease: None,
            ..Self::service(role)
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |key: &'static str, why: &'static str| {
            Err(Error::new(ErrorKind::Config, "open DynamoDB", why).with("setting", key))
        };
        if let Some(endpoint) = &self.endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            return refuse(
                "dbconnection",
                "the endpoint of DynamoDB is no http or https URL; leave it empty for the region's own",
            );
        }
        if self.ca.is_some()
            && self
                .endpoint
                .as_deref()
                .is_some_and(|endpoint| endpoint.starts_with("http://"))
        {
            return refuse(
                "database_tls_ca",
                "is for TLS, and the endpoint in dbconnection is http: write https://, or leave it out",
            );
        }
        // Names of tables: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !self.table_prefix.chars().all(allowed) || self.table_prefix.len() > 200 {
            return refuse(
                "table_prefix",
                "the prefix of tables holds other characters than letters, digits, `_`, `-` and `.`, or more than 200",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let mut config = DynamoConfig::service("bookingservice");
        assert!(config.validate().is_ok());
        config.table_prefix = "a/b".into();
        let error = config.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("table_prefix"), "{error}");
        config.table_prefix = "booking-".into();
        config.endpoint = Some("localhost:8000".into());
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("dbconnection")
        );
        config.endpoint = Some("http://localhost:8000".into());
        assert!(config.validate().is_ok());
    }
}
