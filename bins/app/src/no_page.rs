//! Stands in for the page in programs that serve none.

use anyhow::Result;
use axum::Router;
use myevents_core::runtime::config::Settings;

/// No page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) routes: Router,
}

impl Page {
    /// # Errors
    /// Never; the real page may find its configuration broken.
    pub(crate) fn load(_settings: &Settings) -> Result<Self> {
        Ok(Self {
            routes: Router::new(),
        })
    }

    /// As it is: there is nothing to show.
    pub(crate) fn for_people(&self, unknown: Router) -> Router {
        unknown
    }
}
