//! Targets of `fuzz/`: tokens, key sets, PEM and discovery documents. No part of the interface.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::Rules;
use super::key_ring::Discovered;
use super::keys::{self, PublicKey};
use super::spki;
use super::token::Token;
use crate::domain::UnixSeconds;
use crate::error::Result;
use crate::fuzzing::{Input, is_refusal};

fn fair<T>(read: Result<T>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            is_refusal(&error);
            None
        }
    }
}

fn rules() -> Rules {
    Rules {
        issuer: "https://issuer".to_owned(),
        audiences: vec!["myevents".to_owned()],
        leeway: Duration::from_secs(60),
        scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
    }
}

/// Tokens, as they come and with their parts given in the clear. No bytes are a good signature.
///
/// # Panics
/// When a promise is broken.
pub fn tokens(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let text = if kind.is_multiple_of(2) {
        String::from_utf8_lossy(input.rest()).into_owned()
    } else {
        let parts = [input.bytes(), input.bytes(), input.rest()];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    };
    let Some(token) = fair(Token::parse(&text)) else {
        return;
    };
    drop(fair(
        rules().caller(token.payload(), UnixSeconds::from_stored(1_800_000_000)),
    ));
}

/// Documents with keys: a key set, PEM or a discovery document by the first byte.
///
/// # Panics
/// When a promise is broken.
pub fn key_documents(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let document = input.rest();
    let found: Vec<PublicKey> = match kind % 3 {
        0 => fair(keys::key_set(document)).unwrap_or_default(),
        1 => fair(spki::public_keys(document)).unwrap_or_default(),
        _ => {
            drop(fair(Discovered::read(document, "https://issuer")));
            return;
        }
    };
    for key in found {
        for word in ["RS256", "PS384", "ES256", "ES384", "EdDSA"] {
            if let Some(algorithm) = keys::Algorithm::of_word(word) {
                assert!(!key.verify(algorithm, b"anything", document));
            }
        }
    }
}
