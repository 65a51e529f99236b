//! Tokens of a real library, good and bad, and what becomes of keys that change or can't be had.

mod attacks;
mod properties;
mod sources;
mod taken;

use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::ports::SystemClock;

pub(super) const ISSUER: &str = "https://id.example/";
pub(super) const RSA: &str = include_str!("../../../tests/keys/rsa.pem");
pub(super) const RSA_PUBLIC: &str = include_str!("../../../tests/keys/rsa.pub.pem");
pub(super) const STRANGER: &str = include_str!("../../../tests/keys/stranger.pem");
pub(super) const P256: &str = include_str!("../../../tests/keys/p256.pem");
pub(super) const P384: &str = include_str!("../../../tests/keys/p384.pem");
pub(super) const ED25519: &str = include_str!("../../../tests/keys/ed25519.pem");

pub(super) const ALGORITHMS: [(Algorithm, &str, &str); 9] = [
    (Algorithm::RS256, "rsa", RSA),
    (Algorithm::RS384, "rsa", RSA),
    (Algorithm::RS512, "rsa", RSA),
    (Algorithm::PS256, "rsa", RSA),
    (Algorithm::PS384, "rsa", RSA),
    (Algorithm::PS512, "rsa", RSA),
    (Algorithm::ES256, "p256", P256),
    (Algorithm::ES384, "p384", P384),
    (Algorithm::EdDSA, "ed25519", ED25519),
];

pub(super) fn private(algorithm: Algorithm, pem: &str) -> EncodingKey {
    let pem = pem.as_bytes();
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    }
    .unwrap()
}

pub(super) fn jwk(kid: &str, algorithm: Algorithm, pem: &str) -> Value {
    let mut jwk =
        serde_json::to_value(Jwk::from_encoding_key(&private(algorithm, pem), algorithm).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    // One RSA key serves six algorithms here.
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

pub(super) fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(super) fn all_keys() -> String {
    set(&[
        jwk("rsa", Algorithm::RS256, RSA),
        jwk("p256", Algorithm::ES256, P256),
        jwk("p384", Algorithm::ES384, P384),
        jwk("ed25519", Algorithm::EdDSA, ED25519),
    ])
}

pub(super) fn now() -> i64 {
    SystemClock.now().seconds().get()
}

pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "myevents", "sub": "ann", "exp": now() + 300, "nbf": now() - 10,
        "scope": "openid events:write",
    })
}

pub(super) fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

pub(super) fn signed(algorithm: Algorithm, kid: Option<&str>, pem: &str, claims: &Value) -> String {
    let header = Header {
        kid: kid.map(ToOwned::to_owned),
        ..Header::new(algorithm)
    };
    encode(&header, claims, &private(algorithm, pem)).unwrap()
}

pub(super) fn good() -> String {
    signed(Algorithm::RS256, Some("rsa"), RSA, &claims())
}

pub(super) fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

pub(super) async fn by(keys: KeySource) -> Result<JwtAuthenticator> {
    JwtAuthenticator::new(JwtOptions {
        keys,
        ..JwtOptions::new(ISSUER, "myevents")
    })
    .await
}

pub(super) async fn by_file(text: &str) -> (JwtAuthenticator, tempfile::NamedTempFile) {
    let file = file(text);
    let made = by(KeySource::JwksFile(file.path().to_owned())).await;
    (made.unwrap(), file)
}

pub(super) fn carrying(values: &[&str]) -> HeaderMap {
    let values = values.iter().map(|value| HeaderValue::from_str(value).unwrap());
    values.map(|value| (header::AUTHORIZATION, value)).collect()
}

pub(super) async fn ask(authenticator: &JwtAuthenticator, token: &str) -> Result<Caller> {
    authenticator
        .authenticate(&carrying(&[&format!("Bearer {token}")]))
        .await
}

pub(super) fn refusal(answer: Result<Caller>) -> String {
    let error = answer.expect_err("it was taken");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    error.message().to_owned()
}
