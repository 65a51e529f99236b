//! Keys for machines: made, used, listed and revoked beside the running program.

use std::time::{Duration, Instant};

use loadtest::program::Program;
use loadtest::service::event_body;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::{ask, problem, program};

/// Makes a key: its text and its id.
fn make(program: &Program, name: &str, scopes: &[&str]) -> (String, String) {
    let mut arguments = vec!["api-keys", "make", name];
    for scope in scopes {
        arguments.extend(["--scope", scope]);
    }
    let (good, told) = program.command(&arguments).unwrap();
    assert!(good, "{told}");
    let key = told.lines().next().unwrap().to_owned();
    assert!(key.starts_with("mye_") && key.len() == 47, "{told}");
    let id = told.split("the key ").nth(1).unwrap().split(' ').next().unwrap();
    (key, id.to_owned())
}

fn list(program: &Program) -> String {
    let (good, told) = program.command(&["api-keys", "list"]).unwrap();
    assert!(good, "{told}");
    told
}

/// The audit logs of both services know each key that was made or revoked, and what one did.
async fn audited(program: &Program, issuer: &Issuer, organiser: &str, till: &str) {
    for (path, scope, by_organiser) in [
        ("/events/audit", "events:admin", 2),
        ("/bookings/audit", "bookings:admin", 0),
    ] {
        let admin = issuer.token("auditor", scope);
        let answer = ask(program, Some(&admin), "GET", path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}");
        let log = answer.json().unwrap();
        let count = |who: &str, action: &str, subject: Option<&str>, object: Option<&str>| {
            let lines = log.as_array().unwrap().iter();
            lines
                .filter(|line| line["Who"] == who && line["Subject"].as_str() == subject)
                .filter(|line| line["Action"].as_str().unwrap().starts_with(action))
                .filter(|line| object.is_none_or(|object| line["ObjectID"] == object))
                .count()
        };
        assert_eq!(count("operator", "api_key.made", None, None), 3, "{log:#}");
        assert_eq!(
            count("operator", "api_key.revoked", None, Some(till)),
            1,
            "{log:#}"
        );
        assert_eq!(
            count("api_key", "event.", Some(organiser), None),
            by_organiser,
            "{log:#}"
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains("O'Neil"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lets_in_does_what_its_scopes_say_and_is_revoked() {
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
            ("MYEVENTS_LOG", "debug"),
        ],
    );
    let running = program.start_ready().await.unwrap();
    let (organiser, organiser_id) = make(&program, "import, O'Neil's", &["events:write"]);
    let (till, till_id) = make(&program, "till 7", &["bookings:write"]);
    let (other, _) = make(&program, "till 8", &["bookings:write"]);

    // Both services know it within five seconds, and each scope is what it is for tokens.
    let begun = Instant::now();
    for key in [&organiser, &till, &other] {
        for path in ["/events", "/users/me/bookings"] {
            while ask(&program, Some(key), "GET", path, &Value::Null).await.status != 200 {
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "a new key does not work"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let body = event_body("by a key", 50);
    assert_eq!(
        ask(&program, Some(&till), "POST", "/events", &body).await.status,
        403
    );
    let made = ask(&program, Some(&organiser), "POST", "/events", &body).await;
    assert_eq!(made.status, 201, "{:?}", made.json());
    let event = made.json().unwrap()["ID"].as_str().unwrap().to_owned();
    program.service.wait_bookable(&event, 50).await.unwrap();
    let bookings = format!("/events/{event}/bookings");
    let seats = json!({"seats": 2});
    let refused = ask(&program, Some(&organiser), "POST", &bookings, &seats).await;
    assert_eq!(
        (refused.status, problem(&refused).as_str()),
        (403, "insufficient-scope")
    );
    let booked = ask(&program, Some(&till), "POST", &bookings, &seats).await;
    assert_eq!(booked.status, 201, "{:?}", booked.json());
    let booking = format!("/bookings/{}", booked.json().unwrap()["ID"].as_str().unwrap());
    // Two keys are two callers, and tokens go on working beside them.
    assert_eq!(
        ask(&program, Some(&till), "GET", &booking, &Value::Null)
            .await
            .status,
        200
    );
    assert_eq!(
        ask(&program, Some(&other), "GET", &booking, &Value::Null)
            .await
            .status,
        404
    );
    let admin = issuer.token("root", "bookings:admin");
    assert_eq!(
        ask(&program, Some(&admin), "GET", &booking, &Value::Null)
            .await
            .status,
        200
    );
    let events = format!("/events/{event}");
    assert_eq!(
        ask(&program, Some(&organiser), "DELETE", &events, &Value::Null)
            .await
            .status,
        204
    );

    // What only looks like one is told so, on public routes too.
    let mut changed = till.clone().into_bytes();
    changed[20] = if changed[20] == b'a' { b'b' } else { b'a' };
    for bad in [
        String::from_utf8(changed).unwrap(),
        "mye_".to_owned(),
        format!("{till}x"),
    ] {
        let refused = ask(&program, Some(&bad), "GET", "/events", &Value::Null).await;
        assert_eq!(
            (refused.status, problem(&refused).as_str()),
            (401, "unauthenticated")
        );
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }

    // The list shows what was used, and no key.
    let told = list(&program);
    assert!(
        told.contains("3 keys") && told.contains("import, O'Neil's"),
        "{told}"
    );
    let line = |told: &str| {
        told.lines()
            .find(|line| line.contains(&till_id))
            .unwrap()
            .to_owned()
    };
    let begun = Instant::now();
    while line(&list(&program)).contains("used never") {
        assert!(begun.elapsed() < Duration::from_secs(60), "its use was not noted");
    }
    assert!(line(&told).contains("bookings:write") && line(&told).contains("till 7"));
    assert!(!line(&told).contains("only in"), "{told}");

    let (good, revoked) = program.command(&["api-keys", "revoke", &till_id]).unwrap();
    assert!(good && revoked.contains(&till_id), "{revoked}");
    let begun = Instant::now();
    while ask(&program, Some(&till), "GET", &booking, &Value::Null)
        .await
        .status
        != 401
    {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "a revoked key works on"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        ask(&program, Some(&other), "GET", "/users/me/bookings", &Value::Null)
            .await
            .status,
        200
    );
    let (good, again) = program.command(&["api-keys", "revoke", &till_id]).unwrap();
    assert!(!good && again.contains("no key has the id"), "{again}");
    assert!(list(&program).contains("2 keys"));

    audited(&program, &issuer, &organiser_id, &till_id).await;

    let log = running.log();
    running.stop().await.unwrap();
    // Nor is one in the log or the files.
    assert!(!log.contains("mye_"), "{log}");
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&till[4..]) && !text.contains(&other[4..]));
        files += usize::from(text.contains("till 8"));
    }
    assert!(files >= 2, "the keys are in both services' files, by name");
    assert!(list(&program).contains(&organiser_id), "they outlive the program");
}

#[test]
fn what_can_not_be_made_or_revoked_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, &[]);
    for (arguments, part) in [
        (&["api-keys", "make", "x"] as &[&str], "--scope"),
        (
            &["api-keys", "make", "x", "--scope", "bookings:all"],
            "bookings:write",
        ),
        (&["api-keys", "revoke"], "IDS"),
    ] {
        let (good, told) = program.command(arguments).unwrap();
        assert!(!good && told.contains(part), "{arguments:?}: {told}");
    }
}
