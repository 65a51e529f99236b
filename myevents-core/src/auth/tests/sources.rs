//! Keys that change, and sources of keys that are away or broken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[tokio::test(start_paused = true)]
async fn keys_in_a_file_change_without_a_restart() {
    let (authenticator, file) = by_file(&set(&[jwk("old", Algorithm::ES256, P256)])).await;
    let old = signed(Algorithm::ES256, Some("old"), P256, &claims());
    ask(&authenticator, &old).await.unwrap();
    refusal(ask(&authenticator, &good()).await);

    std::fs::write(file.path(), all_keys()).unwrap();
    // It was just read: not again so soon.
    refusal(ask(&authenticator, &good()).await);
    tokio::time::advance(Duration::from_secs(5)).await;
    ask(&authenticator, &good()).await.unwrap();
    refusal(ask(&authenticator, &old).await);

    // Gone or broken: what is known goes on, what is not can't be told.
    std::fs::write(file.path(), "{").unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    ask(&authenticator, &good()).await.unwrap();
    let error = ask(&authenticator, &old).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    tokio::time::advance(Duration::from_secs(400)).await;
    ask(&authenticator, &good()).await.unwrap();
}

/// An issuer over HTTP: what it answers can be changed; nothing = it hangs up.
struct Served {
    address: String,
    answers: Arc<Mutex<Vec<(&'static str, String)>>>,
    asked: Arc<AtomicUsize>,
}

impl Served {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let served = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let (answers, asked) = (Arc::clone(&served.answers), Arc::clone(&served.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let found = answers
                    .lock()
                    .iter()
                    .find(|(path, _)| head.starts_with(&format!("GET {path} ")))
                    .cloned();
                if let Some((_, answer)) = found {
                    let _gone = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        served
    }

    fn answer(&self, path: &'static str, body: &str) {
        self.raw(
            path,
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        );
    }

    fn raw(&self, path: &'static str, answer: String) {
        let mut answers = self.answers.lock();
        answers.retain(|(other, _)| *other != path);
        answers.push((path, answer));
    }

    async fn authenticator(&self, refresh_pause: Duration) -> JwtAuthenticator {
        JwtAuthenticator::new(JwtOptions {
            keys: KeySource::JwksUrl(format!("{}/keys", self.address)),
            refresh_pause,
            ..JwtOptions::new(ISSUER, "myevents")
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn keys_behind_a_url_rotate_and_survive_an_outage() {
    let issuer = Served::start().await;
    let authenticator = issuer.authenticator(Duration::ZERO).await;
    // The issuer is away from the start: nothing can be told.
    assert_eq!(
        ask(&authenticator, &good()).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );

    issuer.answer("/keys", &all_keys());
    ask(&authenticator, &good()).await.unwrap();
    let new = signed(Algorithm::ES256, Some("new"), P256, &claims());
    refusal(ask(&authenticator, &new).await);
    issuer.answer(
        "/keys",
        &set(&[
            jwk("new", Algorithm::ES256, P256),
            jwk("rsa", Algorithm::RS256, RSA),
        ]),
    );
    ask(&authenticator, &new).await.unwrap();

    let newest = signed(Algorithm::EdDSA, Some("newest"), ED25519, &claims());
    // Each would be good if it were taken for what it is not: the set has the key that is asked for.
    let set_of_newest = set(&[jwk("newest", Algorithm::EdDSA, ED25519)]);
    issuer.answer("/elsewhere", &set_of_newest);
    let (length, padding) = (set_of_newest.len() + 300_000, " ".repeat(300_000));
    for broken in [
        "HTTP/1.1 500 Broken\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {}/elsewhere\r\ncontent-length: 0\r\n\r\n",
            issuer.address
        ),
        format!(
            "HTTP/1.1 404 Gone\r\ncontent-length: {}\r\n\r\n{set_of_newest}",
            set_of_newest.len()
        ),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{set_of_newest}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{set_of_newest}{padding}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
    ] {
        issuer.raw("/keys", broken);
        assert_eq!(
            ask(&authenticator, &newest).await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
        ask(&authenticator, &new).await.unwrap();
        ask(&authenticator, &good()).await.unwrap();
    }
    issuer.answer("/keys", &set_of_newest);
    ask(&authenticator, &newest).await.unwrap();
    refusal(ask(&authenticator, &new).await);

    // An empty set is no outage: the issuer takes all of its keys back.
    issuer.answer("/keys", &set(&[]));
    refusal(ask(&authenticator, &new).await);
    refusal(ask(&authenticator, &newest).await);
}

#[tokio::test]
async fn a_new_key_under_an_old_name_or_without_one_is_found() {
    let issuer = Served::start().await;
    for kid in [Some("main"), None] {
        let named = |mut jwk: Value| {
            if kid.is_none() {
                jwk.as_object_mut().unwrap().remove("kid");
            }
            set(&[jwk])
        };
        issuer.answer("/keys", &named(jwk("main", Algorithm::RS256, STRANGER)));
        let authenticator = issuer.authenticator(Duration::ZERO).await;
        let old = signed(Algorithm::RS256, kid, STRANGER, &claims());
        let new = signed(Algorithm::RS256, kid, RSA, &claims());
        ask(&authenticator, &old).await.unwrap();
        assert_eq!(
            refusal(ask(&authenticator, &new).await),
            "the token's signature is not good"
        );
        issuer.answer("/keys", &named(jwk("main", Algorithm::RS256, RSA)));
        ask(&authenticator, &new).await.unwrap();
        // While they can't be had nobody can tell whether it is a newer key's.
        issuer.raw("/keys", String::new());
        let unclear = ask(&authenticator, &old).await.unwrap_err();
        assert_eq!(unclear.kind(), ErrorKind::Unavailable);
        ask(&authenticator, &new).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_gone_after_five_minutes_whoever_asks() {
    let both = [
        jwk("old", Algorithm::ES256, P256),
        jwk("rsa", Algorithm::RS256, RSA),
    ];
    let (authenticator, file) = by_file(&set(&both)).await;
    let old = signed(
        Algorithm::ES256,
        Some("old"),
        P256,
        &with("exp", json!(now() + 3600)),
    );
    ask(&authenticator, &old).await.unwrap();
    std::fs::write(file.path(), set(&both[1..])).unwrap();
    tokio::time::sleep(Duration::from_secs(290)).await;
    ask(&authenticator, &old).await.unwrap();
    // A little more than 300 s: nothing but time has passed.
    tokio::time::sleep(Duration::from_secs(15)).await;
    refusal(ask(&authenticator, &old).await);
}

#[tokio::test]
async fn only_https_or_this_machine_is_asked() {
    let fetcher = fetch::Fetcher::new().unwrap();
    for url in [
        "http://else.example/keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
    ] {
        assert_eq!(
            fetcher.get(url).await.unwrap_err().kind(),
            ErrorKind::Config,
            "{url}"
        );
    }
}

#[tokio::test]
async fn invented_keys_cost_the_issuer_one_question() {
    let issuer = Served::start().await;
    issuer.answer("/keys", &all_keys());
    let authenticator = issuer.authenticator(Duration::from_secs(600)).await;
    let invented = (0..50).map(|number| {
        let kid = format!("invented-{number}");
        let token = signed(Algorithm::ES256, Some(&kid), P256, &claims());
        let authenticator = &authenticator;
        async move { refusal(ask(authenticator, &token).await) }
    });
    let told = futures_util::future::join_all(invented).await;
    assert!(
        told.iter()
            .all(|reason| reason == "the token is signed with a key that is not known")
    );
    ask(&authenticator, &good()).await.unwrap();
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn keys_are_discovered_by_the_issuer() {
    let issuer = Served::start().await;
    let options = JwtOptions {
        refresh_pause: Duration::ZERO,
        ..JwtOptions::new(issuer.address.clone(), "myevents")
    };
    let authenticator = JwtAuthenticator::new(options).await.unwrap();
    let token = signed(
        Algorithm::RS256,
        Some("rsa"),
        RSA,
        &with("iss", json!(issuer.address)),
    );
    issuer.answer("/keys", &all_keys());
    let found =
        |issuer: &str, keys: &str| json!({"issuer": issuer, "jwks_uri": keys, "other": 1}).to_string();
    let keys = format!("{}/keys", issuer.address);
    for wrong in [
        found("https://else.example", &keys),
        found(&issuer.address, "http://else.example/keys"),
        found(&issuer.address, "file:///etc/passwd"),
        "{}".to_owned(),
    ] {
        issuer.answer("/.well-known/openid-configuration", &wrong);
        assert_eq!(
            ask(&authenticator, &token).await.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "{wrong}"
        );
    }
    issuer.answer(
        "/.well-known/openid-configuration",
        &found(&issuer.address, &keys),
    );
    ask(&authenticator, &token).await.unwrap();
}

#[tokio::test]
async fn what_cannot_sign_anybody_in_is_told_at_once() {
    for keys in [
        KeySource::JwksUrl("http://id.example/keys".to_owned()),
        KeySource::JwksUrl("file:///etc/passwd".to_owned()),
        KeySource::JwksFile("/no/such/file".into()),
    ] {
        assert_eq!(by(keys).await.unwrap_err().kind(), ErrorKind::Config);
    }
    let nobody = JwtAuthenticator::new(JwtOptions::new("", "myevents")).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::Config);
}
