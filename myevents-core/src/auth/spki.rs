//! Public keys in PEM ([RFC 5280 §4.1.2.7](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7)): as much of DER as they
//! need.

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::keys::{Material, PublicKey};
use crate::error::{Error, ErrorKind, Result};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// What stands inside the algorithm of a key: object identifier and parameters.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const P256: &[u8] = &[
    6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];
const P384: &[u8] = &[
    6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22,
];
const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

/// The keys of a PEM file.
pub(super) fn public_keys(pem: &[u8]) -> Result<Vec<PublicKey>> {
    let fault = |message: &'static str| Error::new(ErrorKind::Config, "read keys", message);
    let mut keys = Vec::new();
    for found in SubjectPublicKeyInfoDer::pem_slice_iter(pem) {
        let found = found.map_err(|error| fault("this is no PEM").caused_by(error))?;
        let key = material(&found)
            .ok_or_else(|| fault("a key is none of: RSA of 2048 to 8192 bits, P-256, P-384, Ed25519"))?;
        keys.push(PublicKey::nameless(key));
    }
    if keys.is_empty() {
        return Err(fault(
            "there is no `BEGIN PUBLIC KEY` in it; `openssl pkey -pubin` and `openssl x509 -pubkey -noout` write one",
        ));
    }
    Ok(keys)
}

fn material(der: &[u8]) -> Option<Material> {
    let body = whole(SEQUENCE, der)?;
    let (algorithm, rest) = take(SEQUENCE, body)?;
    // The first byte of a bit string tells how many bits of the last one are none.
    let (&0, key) = whole(BIT_STRING, rest)?.split_first()? else {
        return None;
    };
    let point = |length: usize| (key.len() == length && key[0] == 4).then(|| key.to_vec());
    match algorithm {
        RSA => {
            let numbers = whole(SEQUENCE, key)?;
            let (modulus, rest) = take(INTEGER, numbers)?;
            Material::rsa(modulus, whole(INTEGER, rest)?)
        }
        P256 => point(65).map(Material::P256),
        P384 => point(97).map(Material::P384),
        ED25519 => (key.len() == 32).then(|| Material::Ed25519(key.to_vec())),
        _ => None,
    }
}

/// The content of the one value of this tag.
fn whole(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let (content, rest) = take(tag, der)?;
    rest.is_empty().then_some(content)
}

/// The content of the first value, which has this tag, and what follows it.
fn take(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (
            usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
            rest.get(2..)?,
        ),
        _ => return None,
    };
    (found == tag && length <= rest.len()).then(|| rest.split_at(length))
}
