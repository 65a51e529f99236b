//! Stands in for the page in programs that serve none.

use anyhow::Result;
use axum::Router;
use myevents_core::runtime::config::Settings;

/// No routes.
///
/// # Errors
/// Never; the real page may find its configuration broken.
pub(crate) fn router(_settings: &Settings) -> Result<Router> {
    Ok(Router::new())
}
