//! Tokens that are refused, each with its reason.

use super::*;

/// A token of this header and payload with the signature of another: only its form is right.
fn forged(header: &Value, payload: &Value, signature: &str) -> String {
    use base64::Engine as _;
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(payload))
}

#[tokio::test]
async fn attacks_are_refused() {
    let (authenticator, _file) = by_file(&all_keys()).await;
    let rs256 = json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"});
    let signature = good().rsplit_once('.').unwrap().1.to_owned();
    let shared_secret = encode(
        &Header {
            kid: Some("rsa".to_owned()),
            ..Header::new(Algorithm::HS256)
        },
        &claims(),
        &EncodingKey::from_secret(RSA_PUBLIC.as_bytes()),
    )
    .unwrap();
    let algorithm = "the token is not signed with an algorithm that is taken here";
    let form = "the token is no JWT in three parts";
    let unknown = "the token is signed with a key that is not known";
    let not_good = "the token's signature is not good";
    let of = |claims: &Value| signed(Algorithm::RS256, Some("rsa"), RSA, claims);
    let (audience, issuer) = (
        "the token is for another audience",
        "the token is of another issuer",
    );
    for (what, token, reason) in [
        ("none", forged(&json!({"alg": "none"}), &claims(), ""), algorithm),
        (
            "None",
            forged(&json!({"alg": "nOnE", "kid": "rsa"}), &claims(), ""),
            algorithm,
        ),
        (
            "none with a signature",
            forged(&json!({"alg": "none"}), &claims(), &signature),
            algorithm,
        ),
        (
            "no algorithm",
            forged(&json!({"kid": "rsa"}), &claims(), &signature),
            form,
        ),
        ("two algorithms", forge_twice(&signature), form),
        ("the public key as secret", shared_secret, algorithm),
        ("no signature", forged(&rs256, &claims(), ""), not_good),
        (
            "another's signature",
            forged(&rs256, &with("sub", json!("root")), &signature),
            not_good,
        ),
        (
            "a stranger's key under a known name",
            signed(Algorithm::RS256, Some("rsa"), STRANGER, &claims()),
            not_good,
        ),
        (
            "a stranger's key",
            signed(Algorithm::RS256, None, STRANGER, &claims()),
            not_good,
        ),
        (
            "an unknown key",
            signed(Algorithm::RS256, Some("other"), RSA, &claims()),
            unknown,
        ),
        (
            "a path as kid",
            signed(Algorithm::RS256, Some("../../../dev/null"), RSA, &claims()),
            unknown,
        ),
        (
            "a query as kid",
            signed(Algorithm::RS256, Some("x' OR '1'='1"), RSA, &claims()),
            unknown,
        ),
        ("its own key", own_key(), unknown),
        (
            "an extension",
            forged(&json!({"alg": "RS256", "crit": ["exp"]}), &claims(), &signature),
            "the token asks for extensions that are not known here",
        ),
        ("no dots", "abc".to_owned(), form),
        ("two parts", "e30.e30".to_owned(), form),
        ("four parts", format!("{}.e30", good()), form),
        ("padding", format!("{}=", good()), form),
        ("nothing", String::new(), form),
        (
            "very long",
            "a".repeat(8 * 1024 + 1),
            "the token is longer than 8 KiB",
        ),
        (
            "expired",
            of(&with("exp", json!(now() - 61))),
            "the token has expired",
        ),
        (
            "no end",
            of(&with("exp", Value::Null)),
            "the token does not say until when it holds",
        ),
        (
            "an end in words",
            of(&with("exp", json!("4102444800"))),
            "the token does not say until when it holds",
        ),
        (
            "not yet",
            of(&with("nbf", json!(now() + 90))),
            "the token does not hold yet",
        ),
        (
            "a start in words",
            of(&with("nbf", json!("0"))),
            "the token does not say from when it holds",
        ),
        ("another audience", of(&with("aud", json!("others"))), audience),
        (
            "part of an audience",
            of(&with("aud", json!("myevents2"))),
            audience,
        ),
        (
            "other audiences",
            of(&with("aud", json!(["others", 7]))),
            audience,
        ),
        ("no audience", of(&with("aud", Value::Null)), audience),
        (
            "another issuer",
            of(&with("iss", json!("https://id.example"))),
            issuer,
        ),
        ("a list of issuers", of(&with("iss", json!([ISSUER]))), issuer),
        ("no issuer", of(&with("iss", Value::Null)), issuer),
        (
            "no subject",
            of(&with("sub", Value::Null)),
            "the token names no subject of 1 to 255 characters",
        ),
        (
            "an empty subject",
            of(&with("sub", json!(""))),
            "the token names no subject of 1 to 255 characters",
        ),
        (
            "a subject of lines",
            of(&with("sub", json!("a\nb"))),
            "the token names no subject of 1 to 255 characters",
        ),
        (
            "a long subject",
            of(&with("sub", json!("s".repeat(256)))),
            "the token names no subject of 1 to 255 characters",
        ),
        (
            "no claims",
            signed(Algorithm::RS256, Some("rsa"), RSA, &json!([1])),
            "the token holds no claims",
        ),
    ] {
        assert_eq!(refusal(ask(&authenticator, &token).await), reason, "{what}");
    }
    // Beside them one that is good: with a little of leeway, in a list of audiences, of any type.
    for claims in [
        with("exp", json!(now() - 50)),
        with("exp", json!(now() as f64 + 0.5)),
        with("nbf", json!(now() + 50)),
        with("nbf", Value::Null),
        with("aud", json!(["others", "myevents"])),
        with("sub", json!("s".repeat(255))),
    ] {
        ask(&authenticator, &of(&claims)).await.unwrap();
    }
}

/// `alg` given twice, so that two readers may see two algorithms.
fn forge_twice(signature: &str) -> String {
    use base64::Engine as _;
    let header = r#"{"alg":"RS256","alg":"none","kid":"rsa"}"#;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
    let payload = good().split('.').nth(1).unwrap().to_owned();
    format!("{header}.{payload}.{signature}")
}

/// A token that brings its own key and addresses of more.
fn own_key() -> String {
    let key = private(Algorithm::RS256, STRANGER);
    let header = Header {
        kid: Some("mine".to_owned()),
        jwk: Some(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()),
        jku: Some("http://127.0.0.1:1/keys".to_owned()),
        x5u: Some("http://127.0.0.1:1/cert".to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    encode(&header, &claims(), &key).unwrap()
}

#[tokio::test]
async fn the_header_is_one_and_says_bearer() {
    let (authenticator, _file) = by_file(&all_keys()).await;
    let (one, basic) = (format!("Bearer {}", good()), "Basic YW5uOnNlY3JldA==".to_owned());
    for (values, reason) in [
        (vec![one.as_str(), one.as_str()], "Authorization is given twice"),
        (vec![basic.as_str()], "Authorization is not of the kind Bearer"),
        (vec![""], "Authorization is not of the kind Bearer"),
        (vec!["Bearer"], "the token is no JWT in three parts"),
    ] {
        let answer = authenticator.authenticate(&carrying(&values)).await;
        assert_eq!(refusal(answer), reason);
    }
    let spelled = one.replacen("Bearer ", "bEARER   ", 1);
    authenticator.authenticate(&carrying(&[&spelled])).await.unwrap();
}
