//! Who signs callers in to each service.

use std::sync::Arc;

use anyhow::{Context, Result};
use myevents_core::auth::JwtAuthenticator;
use myevents_core::rest::{Authenticator, JwtOptions};
use myevents_core::runtime::config::{ServiceName, Settings};

/// One for all services that take the same tokens, so that keys are fetched once.
#[derive(Debug)]
pub(crate) struct SignIn(Vec<(ServiceName, Option<Arc<dyn Authenticator>>)>);

impl SignIn {
    /// Reads the keys that are in files.
    ///
    /// # Errors
    /// When there is no key that can be used.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        let mut made: Vec<(&JwtOptions, Arc<dyn Authenticator>)> = Vec::new();
        let mut all = Vec::new();
        for service in &settings.services {
            let Some(options) = &service.auth else {
                all.push((service.service, None));
                continue;
            };
            let known = made.iter().find(|(other, _)| *other == options);
            let authenticator = match known {
                Some((_, authenticator)) => Arc::clone(authenticator),
                None => {
                    let opened = JwtAuthenticator::new(options.clone()).await;
                    let opened: Arc<dyn Authenticator> =
                        Arc::new(opened.context("nobody could sign in (auth, auth_jwks, auth_public_key)")?);
                    made.push((options, Arc::clone(&opened)));
                    opened
                }
            };
            all.push((service.service, Some(authenticator)));
        }
        Ok(Self(all))
    }

    /// That of this service; `None` where nobody signs in.
    pub(crate) fn of(&self, service: ServiceName) -> Option<Arc<dyn Authenticator>> {
        let found = self.0.iter().find(|(name, _)| *name == service);
        found.and_then(|(_, authenticator)| authenticator.clone())
    }
}
