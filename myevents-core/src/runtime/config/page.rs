//! The settings of the page's sign-in: the page is a client of the identity provider of its own.

use super::values::Values;
use crate::rest::key_url;

/// How people sign in on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageSignIn {
    /// The identity provider.
    pub issuer: String,
    /// What the page is called there.
    pub client_id: String,
    /// What it asks for.
    pub scopes: Vec<String>,
    /// Sent along as `audience`; may be empty.
    pub audience: String,
    /// Sent along as `resource`; may be empty.
    pub resource: String,
    /// Further origins that it may ask.
    pub origins: Vec<String>,
}

/// What is of no use without a client id.
const ONLY_WITH_CLIENT: [&str; 4] = ["page_issuer", "page_audience", "page_resource", "page_origins"];

/// `None` where the page signs nobody in.
pub(super) fn read(values: &mut Values<'_>) -> Option<PageSignIn> {
    let Some(client_id) = given(values, "page_client_id") else {
        for key in ONLY_WITH_CLIENT {
            if given(values, key).is_some() {
                values.fault(
                    key,
                    "is set, and the page has no page_client_id to sign in with".into(),
                );
            }
        }
        return None;
    };
    if values.text("auth") != "jwt" {
        values.fault(
            "page_client_id",
            "is set, and the services take no tokens: set auth to jwt".into(),
        );
    }
    let own = given(values, "page_issuer");
    let key = if own.is_some() {
        "page_issuer"
    } else {
        "auth_issuer"
    };
    let issuer = own.or_else(|| given(values, "auth_issuer")).unwrap_or_default();
    if !issuer.is_empty()
        && let Err(error) = key_url(&issuer)
    {
        values.fault(
            key,
            format!("can't be where people sign in, as it {}", error.message()),
        );
    }
    let scopes = values.list("page_scopes");
    if !scopes.iter().any(|scope| scope == "openid") {
        values.fault(
            "page_scopes",
            "lacks `openid`: without it the provider does not say who signed in".into(),
        );
    }
    let origins = values.list("page_origins");
    for origin in &origins {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        if key_url(origin).is_err() || host.contains(['/', '?', '#', ';', ',', '\'', '"', ' ']) {
            values.fault(
                "page_origins",
                format!("`{origin}` is no origin such as https://tokens.example"),
            );
        }
    }
    Some(PageSignIn {
        issuer,
        client_id,
        scopes,
        audience: given(values, "page_audience").unwrap_or_default(),
        resource: given(values, "page_resource").unwrap_or_default(),
        origins,
    })
}

fn given(values: &mut Values<'_>, key: &str) -> Option<String> {
    values.optional(key).filter(|text| !text.trim().is_empty())
}
