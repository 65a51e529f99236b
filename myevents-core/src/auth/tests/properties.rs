//! Any bytes and any change of a token.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::UnixSeconds;

/// Made once: to sign takes long.
static TOKEN: LazyLock<String> = LazyLock::new(good);
static KEYS: LazyLock<Vec<keys::PublicKey>> = LazyLock::new(|| keys::key_set(all_keys().as_bytes()).unwrap());

/// One character of a good token changed.
fn changed() -> impl Strategy<Value = String> {
    let token = TOKEN.clone();
    (0..token.len(), "[A-Za-z0-9_.-]").prop_map(move |(at, sign)| {
        let mut changed = token.clone();
        changed.replace_range(at..=at, &sign);
        changed
    })
}

proptest! {
    #[test]
    fn no_bytes_break_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
        let _refused = Token::parse(&text);
        let _refused = keys::key_set(&bytes);
        let _refused = spki::public_keys(&bytes);
        let der: Vec<u8> = [&[0x30, 0x82, 0x02], bytes.as_slice()].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", data_encoding::BASE64.encode(&der));
        let _refused = spki::public_keys(pem.as_bytes());
        let rules = Rules { issuer: "i".into(), audiences: vec!["a".into()], leeway: Duration::ZERO, scope_claims: Vec::new() };
        prop_assert!(rules.caller(&bytes, UnixSeconds::default()).is_err());
    }

    #[test]
    fn a_changed_token_is_no_token(token in changed()) {
        let taken = KEYS.iter().any(|key| {
            Token::parse(&token).is_ok_and(|token| key.verify(token.algorithm(), token.signed(), token.signature()))
        });
        prop_assert!(!taken || token == *TOKEN);
    }
}
