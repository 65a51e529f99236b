//! A token's outer form: the header that carries it, its three parts, its algorithm and the name of its key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Algorithm;
use super::refused;
use crate::error::Result;

/// The longest token in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The token that came along, if one did.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refused("Authorization is given twice"));
    }
    let text = value.to_str().map_err(|_| refused("Authorization is no text"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused("Authorization is not of the kind Bearer"));
    }
    Ok(Some(token.trim_matches(' ')))
}

/// What is read of the header. A field given twice is refused by the decoder; what is not named here is never used, such
/// as `jwk`, `jku` and `x5u`, by which a token would choose its own key.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token taken apart. Nothing is known of its signature yet.
pub(super) struct Token<'a> {
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(refused("the token is longer than 8 KiB"));
        }
        let form = || refused("the token is no JWT in three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(form)?;
        let (header, payload) = signed.split_once('.').ok_or_else(form)?;
        // A dot is no sign of this alphabet, so a fourth part is refused here.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| form());
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| form())?;
        if header.crit.is_some() {
            return Err(refused("the token asks for extensions that are not known here"));
        }
        let algorithm = Algorithm::of_word(&header.alg)
            .ok_or_else(|| refused("the token is not signed with an algorithm that is taken here"))?;
        Ok(Self {
            signed: signed.as_bytes(),
            payload: decode(payload)?,
            signature: decode(signature)?,
            algorithm,
            kid: header.kid,
        })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What the signature is over.
    pub(super) fn signed(&self) -> &[u8] {
        self.signed
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }
}
