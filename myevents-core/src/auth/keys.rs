//! Public keys: read from a JSON Web Key Set ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)) or PEM, and signatures
//! checked with them. A key takes the algorithms of its type and no other, so none can be passed off as a shared secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// The largest document of keys in bytes, and the most keys of one.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// RSA moduli in bytes: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// How a token is signed. What is not here does not exist: `none` and everything with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

/// The key itself, by its type.
pub(super) enum Material {
    /// Modulus and exponent, big-endian without leading zeroes.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point in its uncompressed form.
    P256(Vec<u8>),
    /// A point in its uncompressed form.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    /// An RSA key of a size that is taken.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let bare = |number: &[u8]| {
            let start = number.iter().position(|byte| *byte != 0)?;
            Some(number[start..].to_vec())
        };
        let (modulus, exponent) = (bare(modulus)?, bare(exponent)?);
        (RSA_BYTES.contains(&modulus.len()) && exponent.len() <= 5).then_some(Self::Rsa { modulus, exponent })
    }
}

/// A key of the issuer.
pub(super) struct PublicKey {
    kid: Option<String>,
    /// The one algorithm it may be used with, where its issuer says one.
    only: Option<Algorithm>,
    material: Material,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.material {
            Material::Rsa { .. } => "RSA",
            Material::P256(_) => "P-256",
            Material::P384(_) => "P-384",
            Material::Ed25519(_) => "Ed25519",
        };
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// A key without name, which any `kid` may mean.
    pub(super) fn nameless(material: Material) -> Self {
        Self {
            kid: None,
            only: None,
            material,
        }
    }

    /// Whether a token that names `kid` may mean this one.
    pub(super) fn is_meant(&self, kid: Option<&str>) -> bool {
        match (&self.kid, kid) {
            (Some(own), Some(kid)) => own == kid,
            (None, _) | (_, None) => true,
        }
    }

    /// Whether a token of this kid and algorithm may be checked with it.
    pub(super) fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.is_meant(kid)
            && self.only.is_none_or(|only| only == algorithm)
            && match &self.material {
                Material::Rsa { .. } => algorithm.rsa().is_some(),
                Material::P256(_) => algorithm == Algorithm::Es256,
                Material::P384(_) => algorithm == Algorithm::Es384,
                Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
            }
    }

    /// Whether the signature is that of this key over `message`. Of an algorithm that does not fit nothing is.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signed: &[u8]) -> bool {
        let by = |with: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(with, key).verify(message, signed).is_ok()
        };
        match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, algorithm) => algorithm.rsa().is_some_and(|parameters| {
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, message, signed).is_ok()
            }),
            (Material::P256(point), Algorithm::Es256) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Material::P384(point), Algorithm::Es384) => by(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Material::Ed25519(key), Algorithm::EdDsa) => by(&signature::ED25519, key),
            _ => false,
        }
    }

    /// A key of a set; `None` for one that is no use here: for encryption, of another type or size, without its parts.
    fn of_jwk(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
            || jwk
                .key_ops
                .is_some_and(|all| !all.iter().any(|each| each == "verify"))
        {
            return None;
        }
        let only = match jwk.alg.as_deref() {
            Some(word) => Some(Algorithm::of_word(word)?),
            None => None,
        };
        let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let sized = |text: Option<String>, length: usize| number(text).filter(|part| part.len() == length);
        let point = |x: Option<String>, y: Option<String>, length: usize| {
            Some([&[4], sized(x, length)?.as_slice(), sized(y, length)?.as_slice()].concat())
        };
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => Material::rsa(&number(jwk.n)?, &number(jwk.e)?)?,
            ("EC", Some("P-256")) => Material::P256(point(jwk.x, jwk.y, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(jwk.x, jwk.y, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(sized(jwk.x, 32)?),
            _ => return None,
        };
        Some(Self {
            kid: jwk.kid,
            only,
            material,
        })
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a set that are of use here: none of a set that is empty, as an issuer says that took all of them back.
pub(super) fn key_set(document: &[u8]) -> Result<Vec<PublicKey>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let fault = |message: &'static str| Error::new(ErrorKind::Config, "read keys", message);
    if document.len() > MAX_DOCUMENT {
        return Err(fault("the key set is larger than 256 KiB"));
    }
    let set: Set = serde_json::from_slice(document)
        .map_err(|_| fault("this is no JSON Web Key Set: an object with the list `keys`"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(fault("the key set has more than 100 keys"));
    }
    let keys: Vec<PublicKey> = set.keys.iter().filter_map(PublicKey::of_jwk).collect();
    if keys.is_empty() && !set.keys.is_empty() {
        return Err(fault(
            "the key set has no key for signatures: RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519",
        ));
    }
    Ok(keys)
}
