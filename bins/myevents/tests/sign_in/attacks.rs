//! Tokens that somebody made up: none of them changes anything, whatever the route.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::issuer::{Issuer, P256, RSA, RSA_PUBLIC, STRANGER, key, now, signed};
use super::{ask, ask_with, problem, program};

fn part(value: &Value) -> String {
    data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// What it is and the token, beside a good signature of the issuer.
fn attacks(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let admin = issuer.claims("root", "events:admin bookings:admin");
    let good = signed(Algorithm::RS256, Some("rsa"), RSA, &admin);
    let signature = good.rsplit_once('.').unwrap().1;
    let rsa = json!({"alg": "RS256", "kid": "rsa"});
    let with = |name: &str, value: Value| {
        let mut claims = admin.clone();
        claims[name] = value;
        signed(Algorithm::RS256, Some("rsa"), RSA, &claims)
    };
    let secret = |secret: &str, algorithm: Algorithm| {
        let header = Header {
            kid: Some("rsa".to_owned()),
            ..Header::new(algorithm)
        };
        encode(&header, &admin, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let kid = |kid: &str| signed(Algorithm::RS256, Some(kid), STRANGER, &admin);
    vec![
        ("alg none", forged(&json!({"alg": "none"}), &admin, "")),
        (
            "alg None with a kid",
            forged(&json!({"alg": "None", "kid": "rsa"}), &admin, signature),
        ),
        ("no alg", forged(&json!({"kid": "rsa"}), &admin, signature)),
        ("HS256 with the PEM", secret(RSA_PUBLIC, Algorithm::HS256)),
        (
            "HS256 with the PEM, trimmed",
            secret(RSA_PUBLIC.trim(), Algorithm::HS256),
        ),
        (
            "HS512 with the modulus",
            secret(
                key("rsa", Algorithm::RS256, RSA)["n"].as_str().unwrap(),
                Algorithm::HS512,
            ),
        ),
        ("HS256 with nothing", secret("", Algorithm::HS256)),
        (
            "another algorithm of the family",
            forged(&json!({"alg": "PS256", "kid": "rsa"}), &admin, signature),
        ),
        (
            "another claim",
            forged(&rsa, &issuer.claims("other", "events:admin"), signature),
        ),
        (
            "a stranger",
            signed(Algorithm::RS256, Some("rsa"), STRANGER, &admin),
        ),
        (
            "a stranger without a kid",
            signed(Algorithm::RS256, None, STRANGER, &admin),
        ),
        ("kid as a path", kid("../../../../dev/null")),
        ("kid as a file", kid("/etc/passwd")),
        ("kid as an address", kid("http://127.0.0.1:1/key")),
        ("kid as a query", kid("' OR 1=1 --")),
        (
            "crit",
            forged(
                &json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"], "exp": 1}),
                &admin,
                signature,
            ),
        ),
        ("expired", with("exp", json!(now() - 3600))),
        ("expired long ago", with("exp", json!(-1))),
        ("an end in words", with("exp", json!("9999999999"))),
        ("not yet", with("nbf", json!(now() + 3600))),
        ("a start in words", with("nbf", json!("0"))),
        ("another audience", with("aud", json!("others"))),
        ("no audience", with("aud", Value::Null)),
        ("another issuer", with("iss", json!("https://id.example"))),
        ("a longer issuer", with("iss", json!(format!("{}/", issuer.url)))),
        ("no subject", with("sub", Value::Null)),
        ("a long subject", with("sub", json!("s".repeat(256)))),
        ("oversized", with("more", json!("m".repeat(8 * 1024)))),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("no signature", good.replace(signature, "")),
        ("noise", "%00".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_made_up_token_is_taken() {
    let issuer = Issuer::start().await;
    issuer.publish(&[
        key("rsa", Algorithm::RS256, RSA),
        key("main", Algorithm::ES256, P256),
    ]);
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), RSA_PUBLIC).unwrap();
    let jwks = format!("{}/keys", issuer.url);
    let good = signed(
        Algorithm::RS256,
        Some("rsa"),
        RSA,
        &issuer.claims("root", "events:admin bookings:admin"),
    );
    for source in [
        ("MYEVENTS_AUTH_JWKS", jwks.as_str()),
        ("MYEVENTS_AUTH_PUBLIC_KEY", pem.path().to_str().unwrap()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("MYEVENTS_AUTH", "jwt"),
            ("MYEVENTS_AUTH_ISSUER", issuer.url.as_str()),
            ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
            ("MYEVENTS_LOG", "debug"),
            source,
        ];
        let program = program(&folder, &settings);
        let running = program.start_ready().await.unwrap();
        let location = json!({"name": "theirs"});
        // The good one is good here, so that a refusal says something.
        let made = ask(&program, Some(&good), "POST", "/locations", &location).await;
        assert_eq!(made.status, 201, "{:?}", made.json());
        for (what, token) in attacks(&issuer) {
            for (method, path) in [
                ("POST", "/locations"),
                ("GET", "/locations"),
                ("POST", "/events/00ff/bookings"),
                ("GET", "/users/me"),
            ] {
                let body = if method == "POST" {
                    location.clone()
                } else {
                    Value::Null
                };
                let answer = ask(&program, Some(&token), method, path, &body).await;
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(
                    answer.status, 401,
                    "{what} by {}: {method} {path}: {text}",
                    source.0
                );
                assert_eq!(problem(&answer), "unauthenticated", "{what}");
                assert!(
                    answer.header("www-authenticate").unwrap().starts_with("Bearer "),
                    "{what}"
                );
                assert!(
                    !text.contains(&token[..token.len().min(40)]) || token.len() < 10,
                    "{what}: {text}"
                );
            }
        }
        let bearer = format!("Bearer {good}");
        for headers in [
            vec![
                ("authorization", bearer.as_str()),
                ("authorization", bearer.as_str()),
            ],
            vec![("authorization", "Basic cm9vdDpyb290")],
            vec![("authorization", "")],
            vec![("authorization", "Bearer")],
            vec![("authorization", good.as_str())],
        ] {
            let answer = ask_with(&program, &headers, "POST", "/locations", &location).await;
            assert_eq!(answer.status, 401, "{headers:?}");
        }
        // Not where it does not belong: no header, no query, no body carries one.
        let asked = format!("/locations?access_token={good}");
        assert_eq!(ask(&program, None, "POST", &asked, &location).await.status, 401);

        let left = ask(&program, None, "GET", "/locations", &Value::Null)
            .await
            .json()
            .unwrap();
        assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
        let log = running.log();
        assert!(
            !log.contains(good.rsplit_once('.').unwrap().1),
            "a token is in the log"
        );
        running.stop().await.unwrap();
    }
}
