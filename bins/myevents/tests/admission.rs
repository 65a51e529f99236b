//! Who is let in, through the front door: budgets of addresses behind proxies, and requests that are worked on at once.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::{Duration, Instant};

use loadtest::http::{Answer, Connection, request};
use loadtest::program::{Program, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BURST: u64 = 5;
/// The length of a booking's body.
const BODY: usize = 11;

fn program(folder: &tempfile::TempDir, settings: &[(&str, &str)]) -> Program {
    let environment = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Program {
        environment: environment.collect(),
        ..Program::new(env!("CARGO_BIN_EXE_myevents"), folder.path())
    }
}

async fn get(program: &Program, path: &str, forwarded: &str) -> Answer {
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let headers = [("x-forwarded-for", forwarded)];
    let headers = if forwarded.is_empty() { &[] } else { &headers[..] };
    connection
        .send(&request("GET", path, headers, b""))
        .await
        .unwrap()
}

fn number(answer: &Answer, header: &str) -> u64 {
    let value = answer.header(header);
    value
        .unwrap_or_else(|| panic!("{header} is missing: {answer:?}"))
        .parse()
        .unwrap()
}

fn problem(answer: &Answer) -> String {
    let body = answer.json().unwrap();
    body["type"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned()
}

/// Asks until it is refused, which has to come after the burst and what a second more gives: how often it was let in.
async fn drain(program: &Program, paths: &[&str], forwarded: &str) -> Answer {
    let begun = Instant::now();
    for turn in 0_u64.. {
        let path = paths[usize::try_from(turn).unwrap() % paths.len()];
        let answer = get(program, path, forwarded).await;
        assert_eq!(number(&answer, "ratelimit-limit"), BURST);
        if answer.status == 429 {
            assert!(turn >= BURST, "refused after {turn}");
            return answer;
        }
        let most = BURST + begun.elapsed().as_secs() + 1;
        assert!(turn < most, "let in more than {most} times");
        assert!(number(&answer, "ratelimit-remaining") < BURST);
        assert!(number(&answer, "ratelimit-reset") >= 1);
    }
    unreachable!("turns don't end")
}

/// Whether an address or route is held back that had its burst: refused before a new one would be.
async fn is_held_back(program: &Program, path: &str, forwarded: &str) -> bool {
    let begun = Instant::now();
    for turn in 0.. {
        if get(program, path, forwarded).await.status == 429 {
            return true;
        }
        // A new one is let in as often as the burst says, and both get the token of each second.
        if turn + 1 >= BURST + begun.elapsed().as_secs() {
            return false;
        }
    }
    unreachable!("turns don't end")
}

async fn started(folder: &tempfile::TempDir, more: &[(&str, &str)]) -> (Program, Running) {
    let mut settings = vec![
        ("MYEVENTS_RATE_LIMIT_ADDRESS", "1"),
        ("MYEVENTS_RATE_LIMIT_ADDRESS_BURST", "5"),
    ];
    settings.extend_from_slice(more);
    let program = program(folder, &settings);
    let running = program.start_ready().await.unwrap();
    (program, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_one_budget_for_both_services_and_health_answers_past_it() {
    let folder = tempfile::tempdir().unwrap();
    let (program, running) = started(&folder, &[("MYEVENTS_TRUSTED_PROXIES", "loopback,10.0.0.0/8")]).await;
    let both = ["/events", "/availability?ids=000000000000000000000000"];
    let refused = drain(&program, &both, "198.51.100.1").await;
    assert_eq!(problem(&refused), "rate-limited");
    assert!((1..=2).contains(&number(&refused, "retry-after")));
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    let exposed = refused.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("RateLimit-Remaining") && exposed.contains("Retry-After"));

    // What the client put in front, its port, and a proxy more change nothing; other addresses do.
    for same in [
        "1.1.1.1, 198.51.100.1",
        "198.51.100.1:4711",
        "198.51.100.1, 10.2.3.4",
        "198.51.100.1, 127.0.0.1",
    ] {
        assert!(is_held_back(&program, "/locations", same).await, "{same}");
    }
    for other in ["198.51.100.2", "198.51.100.1, 198.51.100.3", ""] {
        assert_eq!(get(&program, "/locations", other).await.status, 200, "{other}");
    }
    // Every route but those of health is bounded, also where there is none.
    for path in [
        "/openapi.json",
        "/docs",
        "/no/such/path",
        "/bookings/00",
        "/users/00",
    ] {
        assert!(is_held_back(&program, path, "198.51.100.1").await, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        for _ in 0..2 * BURST {
            let answer = get(&program, path, "198.51.100.1").await;
            assert_eq!(
                (answer.status, answer.header("ratelimit-limit")),
                (200, None),
                "{path}"
            );
        }
    }
    let mut metrics = Connection::open(program.service.metrics.unwrap()).await.unwrap();
    for _ in 0..2 * BURST {
        let answer = metrics.send(&request("GET", "/metrics", &[], b"")).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    // A browser asks first; refused there, the page would hear of another fault.
    let preflight = [
        ("x-forwarded-for", "198.51.100.1"),
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "POST"),
    ];
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let answer = connection
        .send(&request("OPTIONS", "/events", &preflight, b""))
        .await
        .unwrap();
    assert_eq!(answer.status, 204);

    // A network of IPv6 is one client.
    drain(&program, &both, "2001:db8:1:2::1").await;
    assert!(is_held_back(&program, "/events", "2001:db8:1:2:3::4").await);
    assert_eq!(get(&program, "/events", "2001:db8:1:3::1").await.status, 200);

    // The wait that was named is enough.
    let refused = drain(&program, &both, "198.51.100.9").await;
    tokio::time::sleep(Duration::from_secs(number(&refused, "retry-after"))).await;
    assert_eq!(get(&program, "/events", "198.51.100.9").await.status, 200);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_believed_who_is_not_trusted_and_the_log_says_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let (program, running) = started(&folder, &[("MYEVENTS_TRUSTED_PROXIES", "192.0.2.0/24")]).await;
    drain(&program, &["/events"], "198.51.100.1").await;
    for other in ["198.51.100.2", "127.0.0.9", "192.0.2.1"] {
        assert!(is_held_back(&program, "/events", other).await, "{other}");
    }
    // What it printed comes a little later.
    let begun = Instant::now();
    while !running.log().contains("trusted_proxies") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", running.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = running.log();
    assert_eq!(log.matches("trusted_proxies").count(), 1, "{log}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_no_address_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, &[]);
    let running = program.start_ready().await.unwrap();
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    for _ in 0..2_000 {
        let answer = connection
            .send(&request("GET", "/locations", &[], b""))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.header("ratelimit-limit")), (200, None));
    }
    running.stop().await.unwrap();
}

#[test]
fn settings_that_can_not_be_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("MYEVENTS_TRUSTED_PROXIES", "10.0.0.0/8,everybody"),
        ("MYEVENTS_FORWARDED_HEADER", "x-real-ip"),
        ("MYEVENTS_MAX_REQUESTS", "0"),
        ("MYEVENTS_RATE_LIMIT_CALLER", "-1"),
    ];
    let (good, told) = program(&folder, &settings).command(&["check-config"]).unwrap();
    assert!(!good);
    for part in [
        "trusted_proxies",
        "`everybody`",
        "forwarded_header",
        "max_requests",
        "rate_limit_caller",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

fn booking(event: &str) -> Vec<u8> {
    let expect = [("expect", "100-continue")];
    request(
        "POST",
        &format!("/events/{event}/bookings"),
        &expect,
        br#"{"seats":2}"#,
    )
}

/// Sends the head of a booking and waits until its body is asked for: then it is inside.
async fn hold(program: &Program, event: &str) -> Connection {
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let whole = booking(event);
    let stream = connection.stream();
    stream.write_all(&whole[..whole.len() - BODY]).await.unwrap();
    let mut told = vec![0; GO_ON.len()];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(told, GO_ON);
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_bound_requests_are_refused_at_once_and_those_inside_finish() {
    const PLACES: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, &[("MYEVENTS_MAX_REQUESTS", "3")]);
    let running = program.start_ready().await.unwrap();
    let event = program.service.new_event("full", 100).await.unwrap();
    let mut inside = Vec::new();
    for _ in 0..PLACES {
        inside.push(hold(&program, &event).await);
    }
    let refused = get(&program, "/events", "").await;
    assert_eq!((refused.status, problem(&refused).as_str()), (503, "overloaded"));
    assert!(number(&refused, "retry-after") >= 1);
    let mut outside = Connection::open(program.service.bookings).await.unwrap();
    let whole = booking(&event);
    let head = outside.send(&whole[..whole.len() - BODY]).await.unwrap();
    assert_eq!(head.status, 503, "before its body is there");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&program, path, "").await.status, 200, "{path}");
    }
    // A stop is asked for: those inside are answered still.
    running.terminate().unwrap();
    for connection in &mut inside {
        let whole = booking(&event);
        connection
            .stream()
            .write_all(&whole[whole.len() - BODY..])
            .await
            .unwrap();
        let made = connection.answer(true).await.unwrap();
        assert_eq!(made.status, 201, "{:?}", made.json());
    }
    let mut running = running;
    assert!(running.wait(Duration::from_secs(60)).await.unwrap().success());
    // And only they were carried out; the places are free again.
    let running = program.start_ready().await.unwrap();
    let path = format!("/events/{event}/availability");
    let left = get(&program, &path, "").await.json().unwrap();
    assert_eq!(left["Available"], 100 - 2 * PLACES);
    running.stop().await.unwrap();
}
