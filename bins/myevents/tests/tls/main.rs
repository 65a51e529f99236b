//! HTTPS by the real program: certificates that change while it serves, clients' certificates, clients that stall in the
//! handshake or speak the wrong protocol.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod client;
#[cfg(feature = "kafka-tls")]
mod kafka;
#[cfg(not(feature = "kafka-tls"))]
mod no_kafka;
mod upstream;

use std::time::Duration;

use client::{PATIENCE, Secure, get, open, path};
use loadtest::service::ask;
use myevents_servers::tls::Authority;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TAKEN: &str = "myevents_tls_reloads_total{outcome=\"taken\",service=\"eventservice\"}";
const REFUSED: &str = "myevents_tls_reloads_total{outcome=\"refused\",service=\"eventservice\"}";

fn failed(reason: &str) -> String {
    format!("myevents_tls_handshakes_failed_total{{reason=\"{reason}\",service=\"eventservice\"}}")
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_and_a_bad_one_to_nobody() {
    let secure = Secure::start(&[("TLS_RELOAD", "100ms")]).await;
    let mut old = secure.open(secure.client(None)).await.unwrap();
    assert_eq!(get(&mut old, "/events").await.unwrap(), 200);
    let first = secure.shown().await;

    let next = secure.authority.issue("second").unwrap();
    secure.put(&next.certificate, &next.key);
    secure.until(TAKEN, 1).await;
    let second = secure.shown().await;
    assert_ne!(second, first);
    assert_eq!(second, der(&next.certificate));
    assert_eq!(
        get(&mut old, "/events").await.unwrap(),
        200,
        "the old one goes on"
    );

    // As a renewal that died half-way would leave it.
    let bad = secure.authority.issue("third").unwrap();
    secure.put(&bad.certificate, &next.key);
    secure.until(REFUSED, 1).await;
    assert_eq!(secure.shown().await, second);
    let doubted = secure.running.log_with("the changed files can't be used");
    doubted.await.unwrap();
    // The other half comes late.
    secure.put(&bad.certificate, &bad.key);
    secure.until(TAKEN, 2).await;
    assert_eq!(secure.shown().await, der(&bad.certificate));
    assert_eq!(
        get(&mut old, "/events").await.unwrap(),
        200,
        "the old one goes on"
    );
    assert_eq!((secure.metric(TAKEN).await, secure.metric(REFUSED).await), (2, 1));
    let end = "myevents_tls_certificate_expiry_seconds{service=\"eventservice\"}";
    assert!(
        secure.metric(end).await > 4_000_000_000,
        "rcgen's certificates end in 4096"
    );
    secure.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_have_turns_are_all_answered() {
    let secure = Secure::start(&[("MAX_CONNECTIONS_ACTIVE", "1")]).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut stream = secure.open(secure.client(None)).await.unwrap();
        assert_eq!(get(&mut stream, "/events").await.unwrap(), 200);
        all.push(stream);
    }
    // Each asks again after others had the turn.
    for _ in 0..3 {
        for stream in &mut all {
            assert_eq!(get(stream, "/events").await.unwrap(), 200);
        }
    }
    secure.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_protocols_and_both_versions_are_agreed_on() {
    let secure = Secure::start(&[]).await;
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut config = secure.client(None);
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let mut stream = secure.open(config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        if agreed == Some(b"h2") {
            // The client's preface with empty settings; the answer begins with a frame of settings, type 4.
            stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await
                .unwrap();
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[3], 4);
        } else {
            assert_eq!(get(&mut stream, "/events").await.unwrap(), 200);
        }
    }
    let ca = path(&secure.authority.write(secure.folder.path(), "ca").unwrap());
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let asked = std::process::Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &ca])
            .args(version)
            .arg(format!("https://localhost:{}/events", secure.https.port()))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&asked.stdout), "200", "{version:?}");
    }
    assert_eq!(
        kind_of_second(&secure, secure.client(None)).await,
        HandshakeKind::Resumed
    );
    secure.running.stop().await.unwrap();
}

/// How the second handshake of a client goes, which could take up the session of its first.
async fn kind_of_second(secure: &Secure, config: ClientConfig) -> HandshakeKind {
    let mut first = secure.open(config.clone()).await.unwrap();
    // What could be taken up comes along with the answer.
    assert_eq!(get(&mut first, "/healthz").await.unwrap(), 200);
    let mut second = secure.open(config).await.unwrap();
    assert_eq!(get(&mut second, "/healthz").await.unwrap(), 200);
    second.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    for how in ["required", "optional"] {
        let clients = Authority::new("clients").unwrap();
        let secure = Secure::start_with(|folder| {
            let ca = clients.write(folder, "clients").unwrap();
            vec![
                ("EVENTSERVICE_TLS_CLIENT_CA".to_owned(), path(&ca)),
                ("TLS_CLIENT_AUTH".to_owned(), how.to_owned()),
                ("TLS_RELOAD".to_owned(), "100ms".to_owned()),
            ]
        })
        .await;
        let good = clients.issue("the proxy").unwrap();
        let foreign = Authority::new("others").unwrap().issue("somebody").unwrap();
        let ask_as = async |own| {
            // With TLS 1.3 a client learns of the refusal only when it reads.
            match secure.open(secure.client(own)).await {
                Ok(mut stream) => get(&mut stream, "/healthz").await,
                Err(error) => Err(error),
            }
        };
        assert_eq!(ask_as(Some(&good)).await.unwrap(), 200, "{how}");
        for versions in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let config = secure.client_of(&[versions], Some(&good));
            let kind = kind_of_second(&secure, config).await;
            assert_ne!(kind, HandshakeKind::Resumed, "a certificate is proven each time");
        }
        ask_as(Some(&foreign)).await.unwrap_err();
        secure.until(&failed("foreign-certificate"), 1).await;
        match how {
            "optional" => assert_eq!(ask_as(None).await.unwrap(), 200),
            _ => {
                ask_as(None).await.unwrap_err();
                secure.until(&failed("no-certificate"), 1).await;
                let said = secure.running.log_with("tls_client_ca asks for a certificate");
                said.await.unwrap();
            }
        }
        // The plain listener and the metrics have nothing to do with it.
        let plain = ask(secure.program.service.events, "GET", "/healthz", None)
            .await
            .unwrap();
        assert_eq!(plain.status, 200);
        // Another authority takes over.
        let next = Authority::new("next clients").unwrap();
        let newcomer = next.issue("the new proxy").unwrap();
        ask_as(Some(&newcomer)).await.unwrap_err();
        next.write(secure.folder.path(), "clients").unwrap();
        secure.until(TAKEN, 1).await;
        assert_eq!(ask_as(Some(&newcomer)).await.unwrap(), 200, "{how}");
        ask_as(Some(&good)).await.unwrap_err();
        secure.running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_the_wrong_protocol_is_told_and_so_is_the_log() {
    let secure = Secure::start(&[]).await;
    let mut plain = TcpStream::connect(secure.https).await.unwrap();
    plain
        .write_all(b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
        .await
        .unwrap();
    let mut said = String::new();
    plain.read_to_string(&mut said).await.unwrap();
    assert!(
        said.starts_with("HTTP/1.1 400") && said.contains("this port speaks HTTPS"),
        "{said}"
    );
    secure.until(&failed("plain"), 1).await;
    open(secure.program.service.events, secure.client(None))
        .await
        .unwrap_err();
    for told in [
        "a client spoke without TLS, and this port speaks HTTPS",
        "a client began with TLS, and this port speaks plain HTTP",
    ] {
        secure.running.log_with(told).await.unwrap();
    }
    secure.running.stop().await.unwrap();
}

/// The start of a greeting that never goes on, and a whole one after which nothing comes.
async fn stalled(secure: &Secure) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for greeting in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"].repeat(20) {
        let mut stream = TcpStream::connect(secure.https).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        streams.push(stream);
    }
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = std::sync::Arc::new(secure.client(None));
    let mut greeting = Vec::new();
    let mut connection = rustls::ClientConnection::new(config, name).unwrap();
    connection.write_tls(&mut greeting).unwrap();
    let mut stream = TcpStream::connect(secure.https).await.unwrap();
    stream.write_all(&greeting).await.unwrap();
    // The server is in the middle of it.
    let answered = tokio::time::timeout(PATIENCE, stream.readable()).await;
    answered.unwrap().unwrap();
    streams.push(stream);
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stall_in_the_handshake_keep_nobody_out() {
    let secure = Secure::start(&[("MAX_TLS_HANDSHAKES", "2"), ("TLS_HANDSHAKE_TIMEOUT", "10m")]).await;
    let stalled = stalled(&secure).await;
    for _ in 0..3 {
        let mut stream = secure.open(secure.client(None)).await.unwrap();
        assert_eq!(get(&mut stream, "/events").await.unwrap(), 200);
    }
    drop(stalled);
    secure.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_takes_too_long_is_ended_and_gives_its_place_back() {
    let secure = Secure::start(&[("MAX_TLS_HANDSHAKES", "1"), ("TLS_HANDSHAKE_TIMEOUT", "1s")]).await;
    for mut stream in stalled(&secure).await {
        let mut rest = Vec::new();
        // Ended, or reset as it had not read everything.
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        let _reset = ended.expect("the connection ends");
    }
    secure.until(&failed("timeout"), 61).await;
    let served = async {
        loop {
            // Its own time may run out on a machine that does much else.
            if let Ok(mut stream) = secure.open(secure.client(None)).await
                && get(&mut stream, "/events")
                    .await
                    .is_ok_and(|status| status == 200)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served)
        .await
        .expect("the place is free again");
    secure.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_serve_https_does_not_start_and_names_the_file() {
    let secure = Secure::start(&[]).await;
    let Secure {
        program,
        running,
        folder,
        ..
    } = secure;
    running.stop().await.unwrap();
    let other = Authority::new("other").unwrap().issue("other").unwrap();
    std::fs::write(folder.path().join("live/server.key"), other.key).unwrap();
    let told = program.start_ready().await.unwrap_err().to_string();
    assert!(
        told.contains("do not fit") && told.contains("server.pem"),
        "{told}"
    );
    let mut program = program;
    program.environment.retain(|(name, _)| !name.contains("_TLS_"));
    program
        .environment
        .push(("MYEVENTS_TLS_CLIENT_CA".to_owned(), "/ca.pem".to_owned()));
    let (good, told) = program.command(&["check-config"]).unwrap();
    assert!(
        !good && told.contains("tls_client_ca") && told.contains("without tls_certificate"),
        "{told}"
    );
}
