//! Keys that change, come late, or can't be had; and what can't be used at the start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use loadtest::http::Answer;
use loadtest::program::Program;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::issuer::{Issuer, P256, P384, RSA, key, signed};
use super::{ask, problem, program};

async fn book(program: &Program, token: &str) -> Answer {
    ask(program, Some(token), "GET", "/users/me", &Value::Null).await
}

/// Until the answer has this status: keys are read again after a pause.
async fn until(program: &Program, token: &str, status: u16) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = book(program, token).await;
        if answer.status == status || begun.elapsed() > Duration::from_secs(20) {
            assert_eq!(answer.status, status, "{:?}", answer.json());
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn settings<'a>(issuer: &'a Issuer, source: &'a [(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("MYEVENTS_AUTH", "jwt"),
        ("MYEVENTS_AUTH_ISSUER", issuer.url.as_str()),
        ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
        ("MYEVENTS_AUTH_REFRESH_PAUSE", "10ms"),
    ];
    all.extend_from_slice(source);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_and_known_ones_outlive_their_source() {
    let issuer = Issuer::start().await;
    issuer.go_away();
    let folder = tempfile::tempdir().unwrap();
    let jwks = format!("{}/keys", issuer.url);
    let program = program(&folder, &settings(&issuer, &[("MYEVENTS_AUTH_JWKS", &jwks)]));
    // It starts without the issuer, serves what is public, and can't tell who is who.
    let running = program.start_ready().await.unwrap();
    let old = issuer.token("ann", "bookings:write");
    assert_eq!(
        ask(&program, None, "GET", "/events", &Value::Null).await.status,
        200
    );
    let away = book(&program, &old).await;
    assert_eq!((away.status, problem(&away).as_str()), (503, "unavailable"));
    assert!(away.header("retry-after").is_some());

    issuer.publish(&[key("main", Algorithm::ES256, P256)]);
    until(&program, &old, 200).await;
    // A new key works at once, the withdrawn one no more from then on.
    let new = signed(
        Algorithm::ES384,
        Some("new"),
        P384,
        &issuer.claims("ann", "bookings:write"),
    );
    assert_eq!(book(&program, &new).await.status, 401);
    issuer.publish(&[key("new", Algorithm::ES384, P384)]);
    let by_new = until(&program, &new, 200).await;
    let by_old = until(&program, &old, 401).await;
    assert_eq!(problem(&by_old), "unauthenticated");

    // Away again, by hanging up and by nonsense of every kind: known keys go on, unknown ones can't be told.
    let huge = json!({"kty": "RSA", "kid": "huge", "n": "_".repeat(4000), "e": "AQAB"});
    let unknown = signed(Algorithm::RS256, Some("rsa"), RSA, &issuer.claims("ann", ""));
    let many = vec![key("rsa", Algorithm::RS256, RSA); 101];
    let mut large = key("rsa", Algorithm::RS256, RSA);
    large["x5c"] = json!(["A".repeat(300_000)]);
    for keys in [None, Some(vec![huge]), Some(many), Some(vec![large])] {
        match &keys {
            None => issuer.go_away(),
            Some(keys) => issuer.publish(keys),
        }
        let told = until(&program, &unknown, 503).await;
        assert_eq!(problem(&told), "unavailable");
        assert!(told.header("retry-after").is_some());
        assert_eq!(book(&program, &new).await.json().unwrap(), by_new.json().unwrap());
    }
    issuer.publish(&[
        key("rsa", Algorithm::RS256, RSA),
        key("new", Algorithm::ES384, P384),
    ]);
    until(&program, &unknown, 200).await;
    // Nothing left is an answer, and no outage.
    issuer.publish(&[]);
    let begun = Instant::now();
    while book(&program, &new).await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a key stays in use");
        // A token of no known key has the keys read again, once a pause.
        assert_eq!(book(&program, &old).await.status, 401);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for told in ["can't be had; those that are known go on", "can be had again"] {
        running.log_with(told).await.unwrap();
    }
    running.stop().await.unwrap();
}

/// Answers each connection over TLS with this body.
async fn serve_tls(certificate: rcgen::CertifiedKey<rcgen::KeyPair>, body: String) -> u16 {
    let chain = vec![certificate.cert.der().clone()];
    let private =
        rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _gone = stream.write_all(answer.as_bytes()).await;
            let _gone = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_by_https_from_whom_the_system_trusts() {
    let issuer = Issuer::start().await;
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), own.cert.pem()).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let untrusting = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(untrusting.path(), other.cert.pem()).unwrap();
    let body = json!({"keys": [key("main", Algorithm::ES256, P256)]}).to_string();
    let port = serve_tls(own, body).await;
    let jwks = format!("https://localhost:{port}/keys");
    for (authorities, status) in [(&trusted, 200), (&untrusting, 503)] {
        let folder = tempfile::tempdir().unwrap();
        let source = [
            ("MYEVENTS_AUTH_JWKS", jwks.as_str()),
            ("SSL_CERT_FILE", authorities.path().to_str().unwrap()),
        ];
        let program = program(&folder, &settings(&issuer, &source));
        let running = program.start_ready().await.unwrap();
        until(&program, &issuer.token("ann", ""), status).await;
        running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_sign_anybody_in_does_not_start() {
    let issuer = Issuer::start().await;
    let empty = tempfile::NamedTempFile::new().unwrap();
    let nothing = empty.path().to_str().unwrap();
    for (source, told) in [
        (("MYEVENTS_AUTH_JWKS", "/no/such/keys.json"), "/no/such/keys.json"),
        (("MYEVENTS_AUTH_JWKS", nothing), "this is no JSON Web Key Set"),
        (
            ("MYEVENTS_AUTH_PUBLIC_KEY", nothing),
            "there is no `BEGIN PUBLIC KEY` in it",
        ),
        (
            ("MYEVENTS_AUTH_JWKS", "http://id.example/keys"),
            "auth_jwks (environment MYEVENTS_AUTH_JWKS): is http",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let program = program(&folder, &settings(&issuer, &[source]));
        let error = program.start_ready().await.expect_err("it started").to_string();
        assert!(error.contains(told), "{told}\nis not in\n{error}");
        assert!(
            !folder.path().join("eventservice.db").exists(),
            "it left a store behind"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_sign_in_every_address_may_be_listened_on() {
    let issuer = Issuer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let everywhere = |mut program: Program| {
        let port = program.service.bookings.port();
        program
            .environment
            .push(("MYEVENTS_LISTEN".to_owned(), format!("0.0.0.0:{port}")));
        program
    };
    let open = everywhere(program(&folder, &[]));
    let (_, told) = open.command(&["check-config"]).unwrap();
    assert!(told.contains("with auth none everybody who reaches"), "{told}");
    let guarded = everywhere(program(&folder, &settings(&issuer, &[])));
    let (good, told) = guarded.command(&["check-config"]).unwrap();
    assert!(good && told.contains("auth_issuer"), "{told}");
}
