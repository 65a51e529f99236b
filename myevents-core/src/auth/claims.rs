//! What a token of a good signature says, held against what tokens have to say.

use std::time::Duration;

use serde_json::{Map, Value};

use super::refused;
use crate::domain::UnixSeconds;
use crate::error::Result;
use crate::service::{Caller, Scopes};

/// The longest subject in characters: the bound of OpenID Connect Core §2.
const MAX_SUBJECT: usize = 255;

/// What tokens have to say.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) scope_claims: Vec<String>,
}

impl Rules {
    /// Who the token speaks for, if it holds now and here.
    pub(super) fn caller(&self, payload: &[u8], now: UnixSeconds) -> Result<Caller> {
        let claims: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| refused("the token holds no claims"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(self.issuer.as_str()) {
            return Err(refused("the token is of another issuer"));
        }
        if !self.is_for_us(claims.get("aud")) {
            return Err(refused("the token is for another audience"));
        }
        self.check_time(&claims, now)?;
        let subject = text("sub").filter(|subject| is_subject(subject));
        let subject = subject.ok_or_else(|| refused("the token names no subject of 1 to 255 characters"))?;
        let words = self
            .scope_claims
            .iter()
            .flat_map(|name| words_of(claims.get(name)));
        Ok(Caller::Subject {
            issuer: self.issuer.clone(),
            subject: subject.to_owned(),
            scopes: Scopes::of_words(words),
        })
    }

    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        let ours = |one: &Value| {
            one.as_str()
                .is_some_and(|one| self.audiences.iter().any(|our| our == one))
        };
        match audience {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    /// Times are numbers of seconds, with a fraction if they like ([RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
    #[allow(clippy::cast_precision_loss, reason = "dates are far below 2^53 seconds")]
    fn check_time(&self, claims: &Map<String, Value>, now: UnixSeconds) -> Result<()> {
        let (now, leeway) = (now.get() as f64, self.leeway.as_secs_f64());
        let until = claims.get("exp").and_then(Value::as_f64);
        let until = until.ok_or_else(|| refused("the token does not say until when it holds"))?;
        if until + leeway <= now {
            return Err(refused("the token has expired"));
        }
        match claims.get("nbf").map(Value::as_f64) {
            None => Ok(()),
            Some(None) => Err(refused("the token does not say from when it holds")),
            Some(Some(from)) if from > now + leeway => Err(refused("the token does not hold yet")),
            Some(Some(_)) => Ok(()),
        }
    }
}

fn is_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The words of a claim: text with spaces between them, or a list.
fn words_of(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
