//! Fingerprints of parsed requests, and ids derived from idempotency keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A hash of what a creating request asked for. Two requests with the same id are the same request if and only if
/// their fingerprints are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Starts a fingerprint of a request to `route` (a stable word such as `"POST /events"`).
    #[must_use]
    pub fn of(route: &str) -> FingerprintBuilder {
        FingerprintBuilder(Sha256::new()).field(route.as_bytes())
    }

    /// Takes the 16 bytes from a store.
    ///
    /// # Errors
    /// `Malformed` when there are not 16 of them.
    pub fn from_stored(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(|_| {
            Error::new(
                crate::ErrorKind::Malformed,
                "read fingerprint",
                "a fingerprint has 16 bytes",
            )
        })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// Hashes length-prefixed fields, so that no two lists of fields give the same bytes.
#[derive(Debug)]
pub struct FingerprintBuilder(Sha256);

impl FingerprintBuilder {
    /// Adds a field.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// Adds a field that may be absent; absent and empty differ.
    #[must_use]
    pub fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.number(1).field(bytes),
            None => self.number(0),
        }
    }

    /// The fingerprint of all fields added.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        let digest = self.0.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Fingerprint(bytes)
    }
}

/// The 32 random bytes a store makes for itself at its first start; ids derived from idempotency keys depend on them.
#[derive(Clone)]
pub struct IdSecret([u8; 32]);

impl IdSecret {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store to keep.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id for `key` given by `caller` of `issuer` for a record of `kind`: the first 12 bytes of an HMAC-SHA-256
    /// ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)) over the length-prefixed parts. The same parts always give
    /// the same id in the same store, so a retry meets the first try on the store's own unique id.
    #[must_use]
    pub fn derive_id(&self, kind: &str, issuer: &str, caller: &str, key: &str) -> [u8; 12] {
        let mut mac = keyed(&self.0);
        for part in [kind, issuer, caller, key] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let digest = mac.finalize().into_bytes();
        let mut id = [0; 12];
        id.copy_from_slice(&digest[..12]);
        id
    }
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeroes to the block size, so this is the key as it is.
    let mut block = [0; 64];
    block[..32].copy_from_slice(secret);
    <Hmac<Sha256> as KeyInit>::new(&block.into())
}

impl fmt::Debug for IdSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSecret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        let one = Fingerprint::of("r").field(b"ab").field(b"c").finish();
        let other = Fingerprint::of("r").field(b"a").field(b"bc").finish();
        assert_ne!(one, other);
        assert_ne!(
            Fingerprint::of("r").optional(None).finish(),
            Fingerprint::of("r").optional(Some(b"")).finish()
        );
    }

    #[test]
    fn derived_ids_depend_on_every_part_and_on_the_secret() {
        let secret = IdSecret::new([7; 32]);
        let id = secret.derive_id("booking", "", "anonymous", "0123456789abcdef");
        assert_eq!(
            id,
            secret.derive_id("booking", "", "anonymous", "0123456789abcdef")
        );
        assert_ne!(id, secret.derive_id("event", "", "anonymous", "0123456789abcdef"));
        assert_ne!(
            id,
            secret.derive_id("booking", "", "somebody", "0123456789abcdef")
        );
        assert_ne!(
            id,
            IdSecret::new([8; 32]).derive_id("booking", "", "anonymous", "0123456789abcdef")
        );
    }
}
