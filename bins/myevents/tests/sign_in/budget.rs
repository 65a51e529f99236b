//! How often one caller may ask: from all addresses together, and whatever others do.

use std::time::Instant;

use serde_json::Value;

use super::issuer::Issuer;
use super::{ask, problem, program};

const BURST: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_budget_and_nobody_elses_is_touched() {
    let issuer = Issuer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("{}/keys", issuer.url);
    let program = program(
        &folder,
        &[
            ("MYEVENTS_AUTH", "jwt"),
            ("MYEVENTS_AUTH_ISSUER", issuer.url.as_str()),
            ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
            ("MYEVENTS_AUTH_JWKS", &keys),
            ("MYEVENTS_RATE_LIMIT_CALLER", "1"),
            ("MYEVENTS_RATE_LIMIT_CALLER_BURST", "6"),
        ],
    );
    let running = program.start_ready().await.unwrap();
    let ann = issuer.token("ann", "bookings:write");
    let begun = Instant::now();
    let mut turns = 0;
    let refused = loop {
        // Public routes of one service, own ones of the other: one budget.
        let path = if turns % 2 == 0 {
            "/events"
        } else {
            "/users/me/bookings"
        };
        let answer = ask(&program, Some(&ann), "GET", path, &Value::Null).await;
        assert_eq!(answer.header("ratelimit-limit"), Some("6"));
        if answer.status == 429 {
            break answer;
        }
        turns += 1;
        assert!(
            turns <= BURST + begun.elapsed().as_secs() + 1,
            "let in {turns} times"
        );
    };
    assert!(turns >= BURST, "refused after {turns}");
    assert_eq!(problem(&refused), "rate-limited");
    assert!(refused.header("retry-after").is_some());
    // Another token of hers is hers too.
    let again = issuer.token("ann", "events:write");
    let mut let_in = 0;
    while ask(&program, Some(&again), "GET", "/events", &Value::Null)
        .await
        .status
        != 429
    {
        let_in += 1;
        let most = BURST + begun.elapsed().as_secs() + 1;
        assert!(turns + let_in <= most, "a budget for each token");
    }
    // Others have their own, nobody has none, and a bad token is told to be bad.
    let bob = issuer.token("bob", "bookings:write");
    let of_bob = ask(&program, Some(&bob), "GET", "/users/me/bookings", &Value::Null).await;
    assert_eq!(
        (of_bob.status, of_bob.header("ratelimit-remaining")),
        (200, Some("5"))
    );
    for _ in 0..3 * BURST {
        let open = ask(&program, None, "GET", "/events", &Value::Null).await;
        assert_eq!((open.status, open.header("ratelimit-limit")), (200, None));
        let bad = ask(&program, Some("a.b.c"), "GET", "/events", &Value::Null).await;
        assert_eq!(bad.status, 401);
    }
    running.stop().await.unwrap();
}
