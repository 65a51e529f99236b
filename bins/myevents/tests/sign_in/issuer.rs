//! An issuer of tokens: its keys, its tokens, and the addresses where its keys are had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const RSA: &str = include_str!("../../../../myevents-core/tests/keys/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../../../../myevents-core/tests/keys/rsa.pub.pem");
pub(crate) const STRANGER: &str = include_str!("../../../../myevents-core/tests/keys/stranger.pem");
pub(crate) const P256: &str = include_str!("../../../../myevents-core/tests/keys/p256.pem");
pub(crate) const P384: &str = include_str!("../../../../myevents-core/tests/keys/p384.pem");

/// What it answers, by path; an empty answer hangs up.
type Answers = Arc<Mutex<HashMap<String, String>>>;

/// An issuer that listens on this machine.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Its name in tokens, and where it is.
    pub(crate) url: String,
    answers: Answers,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Answers::default();
        tokio::spawn(serve(listener, Arc::clone(&answers)));
        let issuer = Self { url, answers };
        issuer.describe();
        issuer.publish(&[key("main", Algorithm::ES256, P256)]);
        issuer
    }

    fn answer(&self, path: &str, body: &str) {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn describe(&self) {
        let keys = format!("{}/keys", self.url);
        let document = json!({"issuer": self.url, "jwks_uri": keys, "token_endpoint": "unused"});
        self.answer("/.well-known/openid-configuration", &document.to_string());
    }

    /// From now on these are its keys.
    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answer("/keys", &json!({ "keys": keys }).to_string());
    }

    /// From now on it hangs up.
    pub(crate) fn go_away(&self) {
        self.answers.lock().unwrap().clear();
    }

    /// A token for this subject with these scopes.
    pub(crate) fn token(&self, subject: &str, scopes: &str) -> String {
        signed(
            Algorithm::ES256,
            Some("main"),
            P256,
            &self.claims(subject, scopes),
        )
    }

    pub(crate) fn claims(&self, subject: &str, scopes: &str) -> Value {
        json!({
            "iss": self.url, "aud": ["others", "myevents"], "sub": subject, "exp": now() + 600, "iat": now(),
            "scope": format!("openid {scopes}"),
        })
    }
}

async fn serve(listener: TcpListener, answers: Answers) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { break };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let answer = answers.lock().unwrap().get(path).cloned().unwrap_or_default();
        let _gone = stream.write_all(answer.as_bytes()).await;
    }
}

pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

fn private(algorithm: Algorithm, pem: &str) -> EncodingKey {
    let pem = pem.as_bytes();
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem).unwrap(),
        _ => EncodingKey::from_rsa_pem(pem).unwrap(),
    }
}

/// The public half of a key, as a key set has it.
pub(crate) fn key(kid: &str, algorithm: Algorithm, pem: &str) -> Value {
    let jwk = Jwk::from_encoding_key(&private(algorithm, pem), algorithm).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

pub(crate) fn signed(algorithm: Algorithm, kid: Option<&str>, pem: &str, claims: &Value) -> String {
    let header = Header {
        kid: kid.map(ToOwned::to_owned),
        ..Header::new(algorithm)
    };
    encode(&header, claims, &private(algorithm, pem)).unwrap()
}
