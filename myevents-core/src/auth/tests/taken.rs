//! Tokens that are taken: every algorithm, keys in JWKS and PEM, scopes; and which keys of a set are of use.

use super::*;
use crate::service::Scope;

#[tokio::test]
async fn every_algorithm_is_taken_with_its_own_key() {
    let (authenticator, _file) = by_file(&all_keys()).await;
    for (algorithm, kid, pem) in ALGORITHMS {
        for named in [Some(kid), None] {
            let caller = ask(&authenticator, &signed(algorithm, named, pem, &claims())).await;
            let caller = caller.unwrap_or_else(|error| panic!("{algorithm:?} {named:?}: {error}"));
            assert_eq!((caller.issuer(), caller.subject()), (ISSUER, "ann"));
            assert!(caller.may(Scope::EventsWrite) && !caller.may(Scope::BookingsWrite));
        }
        // Signed well, and with the name of a key of another type.
        let other = if kid == "p256" { "p384" } else { "p256" };
        let answer = ask(&authenticator, &signed(algorithm, Some(other), pem, &claims())).await;
        assert_eq!(
            refusal(answer),
            "the token's signature is not good",
            "{algorithm:?}"
        );
    }
    assert_eq!(
        authenticator.authenticate(&HeaderMap::new()).await.unwrap(),
        Caller::Anonymous
    );
}

#[tokio::test]
async fn public_keys_in_pem_are_read() {
    let public = [
        RSA_PUBLIC,
        include_str!("../../../tests/keys/p256.pub.pem"),
        include_str!("../../../tests/keys/p384.pub.pem"),
        include_str!("../../../tests/keys/ed25519.pub.pem"),
    ];
    let all = file(&public.concat());
    let authenticator = by(KeySource::PublicKeyFile(all.path().to_owned())).await.unwrap();
    for (algorithm, kid, pem) in ALGORITHMS {
        ask(&authenticator, &signed(algorithm, Some(kid), pem, &claims()))
            .await
            .unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
    }
    for wrong in [
        RSA,
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        let wrong = file(wrong);
        let error = by(KeySource::PublicKeyFile(wrong.path().to_owned()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    let error = by(KeySource::PublicKeyFile("/no/such/file".into()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[tokio::test]
async fn scopes_are_words_or_lists_of_the_claims_named() {
    let keys = file(&all_keys());
    let authenticator = JwtAuthenticator::new(JwtOptions {
        keys: KeySource::JwksFile(keys.path().to_owned()),
        scope_claims: vec!["scope".to_owned(), "scp".to_owned(), "permissions".to_owned()],
        ..JwtOptions::new(ISSUER, "myevents")
    })
    .await
    .unwrap();
    let claims = json!({
        "iss": ISSUER, "aud": "myevents", "sub": "ann", "exp": now() + 300,
        "scope": "events:write profile", "scp": ["bookings:write", 1, null], "permissions": ["events:admin"], "roles": ["bookings:admin"],
    });
    let caller = ask(&authenticator, &signed(Algorithm::RS256, None, RSA, &claims))
        .await
        .unwrap();
    let held = Scope::ALL.map(|scope| caller.may(scope));
    assert_eq!(held, [true, true, true, false]);
    let bare = with("scope", json!({"events:admin": true}));
    let caller = ask(&authenticator, &signed(Algorithm::RS256, None, RSA, &bare))
        .await
        .unwrap();
    assert!(Scope::ALL.iter().all(|scope| !caller.may(*scope)));
}

#[tokio::test]
async fn key_sets_are_bounded_and_keep_only_what_is_of_use() {
    let rsa = jwk("rsa", Algorithm::RS256, RSA);
    let mut huge = rsa.clone();
    huge["n"] = "_".repeat(4000).into();
    huge["kid"] = "huge".into();
    let mut encrypting = rsa.clone();
    encrypting["use"] = "enc".into();
    let mut other = rsa.clone();
    other["alg"] = "RSA-OAEP".into();
    let secret = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"});
    let short = json!({"kty": "RSA", "n": "_____w", "e": "AQAB"});
    for useless in [&huge, &encrypting, &other, &secret, &short, &json!(7), &json!({})] {
        let alone = keys::key_set(set(std::slice::from_ref(useless)).as_bytes());
        assert_eq!(alone.unwrap_err().kind(), ErrorKind::Config, "{useless}");
        let beside = keys::key_set(set(&[useless.clone(), rsa.clone()]).as_bytes()).unwrap();
        assert_eq!(beside.len(), 1, "{useless}");
    }
    assert_eq!(
        keys::key_set(set(&vec![rsa.clone(); 100]).as_bytes())
            .unwrap()
            .len(),
        100
    );
    for text in [
        set(&vec![json!(0); 101]),
        format!("{}{}", all_keys(), " ".repeat(256 * 1024)),
        "[]".to_owned(),
        "{\"keys\": {}}".to_owned(),
        String::new(),
    ] {
        assert!(keys::key_set(text.as_bytes()).is_err());
    }
    // A key that its issuer keeps for one algorithm takes no other.
    let mut only = rsa;
    only["alg"] = "RS512".into();
    let (authenticator, _file) = by_file(&set(&[only])).await;
    ask(
        &authenticator,
        &signed(Algorithm::RS512, Some("rsa"), RSA, &claims()),
    )
    .await
    .unwrap();
    refusal(ask(&authenticator, &good()).await);
}
