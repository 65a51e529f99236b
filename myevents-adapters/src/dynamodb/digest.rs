//! Short keys of fixed length for what may be long or personal.

use myevents_core::domain::Fingerprint;

/// 16 bytes of a SHA-256 over the parts, which do not run together.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let all = parts
        .iter()
        .fold(Fingerprint::of("dynamodb key"), |all, part| all.field(part));
    let mut key = [0; 16];
    for (byte, of) in key.iter_mut().zip(all.finish().as_bytes()) {
        *byte = *of;
    }
    key
}
