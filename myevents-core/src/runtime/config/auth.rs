//! The settings of sign-in, checked against each other: each fault names what to set.

use std::path::PathBuf;
use std::time::Duration;

use super::values::Values;
use crate::rest::{ApiKeyAuthenticator, JwtOptions, KeySource, key_url};

/// More would let tokens live on that were meant to end.
const MAX_LEEWAY: Duration = Duration::from_secs(600);
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// What is of no use without `jwt`, and a sign that `jwt` was meant.
const ONLY_WITH_JWT: [&str; 4] = ["auth_issuer", "auth_audience", "auth_jwks", "auth_public_key"];

/// Which tokens sign callers in; `None` where nobody signs in.
pub(super) fn read(values: &mut Values<'_>) -> Option<JwtOptions> {
    let leeway = values.duration("auth_leeway");
    if leeway > MAX_LEEWAY {
        values.fault("auth_leeway", "is more than 10 minutes".into());
    }
    let scope_claims = values.list("auth_scope_claim");
    if scope_claims.is_empty() {
        values.fault(
            "auth_scope_claim",
            "names no claim: nobody could do anything".into(),
        );
    }
    if values.text("auth") != "jwt" {
        for key in ONLY_WITH_JWT {
            let set = values.optional(key).is_some_and(|text| !text.is_empty());
            if set && values.merged.origin("auth") == "default" {
                values.fault(key, "is set, and nobody signs in: set auth to jwt".into());
            }
        }
        return None;
    }
    if cfg!(not(feature = "jwt")) {
        values.fault("auth", "`jwt` is not built in: build with feature `jwt`".into());
    }
    let refresh_pause = values.duration("auth_refresh_pause");
    if refresh_pause < MIN_PAUSE {
        values.fault(
            "auth_refresh_pause",
            "is less than 10ms: each made-up token would cost the issuer a request".into(),
        );
    }
    let issuer = values.optional("auth_issuer").unwrap_or_default();
    if issuer.trim().is_empty() {
        values.fault(
            "auth_issuer",
            "is missing: auth is jwt; set it to what tokens say in `iss`".into(),
        );
    }
    if issuer == ApiKeyAuthenticator::ISSUER {
        values.fault(
            "auth_issuer",
            "stands for API keys: its tokens could act as any of them".into(),
        );
    }
    let audiences = values.list("auth_audience");
    if audiences.is_empty() {
        values.fault(
            "auth_audience",
            "is missing: auth is jwt; set it to what tokens for this service say in `aud`".into(),
        );
    }
    Some(JwtOptions {
        keys: keys(values, &issuer),
        issuer,
        audiences,
        leeway,
        scope_claims,
        refresh_pause,
    })
}

fn keys(values: &mut Values<'_>, issuer: &str) -> KeySource {
    let set = values.optional("auth_jwks").filter(|text| !text.is_empty());
    let pem = values.path("auth_public_key");
    match (set, pem) {
        (Some(_), Some(path)) => {
            values.fault(
                "auth_public_key",
                "is set beside auth_jwks: keep one of the two".into(),
            );
            KeySource::PublicKeyFile(path)
        }
        (None, Some(path)) => KeySource::PublicKeyFile(path),
        (Some(url), None) if url.contains("://") => {
            if let Err(error) = key_url(&url) {
                values.fault("auth_jwks", error.message().to_owned());
            }
            KeySource::JwksUrl(url)
        }
        (Some(file), None) => KeySource::JwksFile(PathBuf::from(file)),
        (None, None) => {
            if !issuer.is_empty()
                && let Err(error) = key_url(issuer)
            {
                values.fault(
                    "auth_jwks",
                    format!(
                        "is missing: keys can't be found by auth_issuer, which {}; set auth_jwks to a file or a URL, or \
                         auth_public_key to a PEM file",
                        error.message()
                    ),
                );
            }
            KeySource::Discovery
        }
    }
}
