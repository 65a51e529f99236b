//! Who may do what: a line a case, run against the program with sign-in on and off.

use std::collections::HashMap;

use loadtest::program::Program;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::{ask, problem, program};

/// Caller, method, path, status, problem. Braces make a fresh record of that owner; `old` = from before sign-in.
/// `show` is an event that has seats, `new` an id that nobody has.
const SIGNED_IN: &str = "
nobody  GET    /events                          200 -
nobody  GET    /events/{event:ann}              200 -
nobody  GET    /events/id/{event:ann}           200 -
nobody  GET    /events/name/show                200 -
nobody  GET    /locations                       200 -
nobody  GET    /locations/{location:ann}        200 -
nobody  GET    /events/{show}/availability      200 -
nobody  GET    /availability?ids={show}         200 -
nobody  GET    /healthz                         200 -
nobody  GET    /readyz                          200 -
nobody  GET    /openapi.json                    200 -
nobody  GET    /docs                            200 -
nobody  POST   /events                          401 unauthenticated
nobody  PUT    /events/{new}                    401 unauthenticated
nobody  PUT    /events/id/{event:ann}           401 unauthenticated
nobody  PUT    /events/ID/{event:ann}           401 unauthenticated
nobody  DELETE /events/{event:ann}              401 unauthenticated
nobody  DELETE /events/{event:old}              401 unauthenticated
nobody  DELETE /events/{new}                    401 unauthenticated
nobody  POST   /locations                       401 unauthenticated
nobody  PUT    /locations/{location:old}        401 unauthenticated
nobody  DELETE /locations/{location:old}        401 unauthenticated
nobody  POST   /events/{show}/bookings          401 unauthenticated
nobody  POST   /events/{new}/bookings           401 unauthenticated
nobody  GET    /events/{show}/bookings          401 unauthenticated
nobody  GET    /bookings/{booking:ann}          401 unauthenticated
nobody  GET    /bookings/{booking:old}          401 unauthenticated
nobody  GET    /bookings/{new}                  401 unauthenticated
nobody  DELETE /bookings/{booking:ann}          401 unauthenticated
nobody  GET    /users/me                        401 unauthenticated
nobody  GET    /users/me/bookings               401 unauthenticated
nobody  GET    /users/{user:ann}                401 unauthenticated
nobody  DELETE /users/{user:ann}                401 unauthenticated
nobody  POST   /users                           401 unauthenticated
nobody  GET    /events/audit                    401 unauthenticated
nobody  GET    /bookings/audit                  401 unauthenticated

bad     GET    /events                          401 unauthenticated
bad     GET    /events/{event:ann}              401 unauthenticated
bad     GET    /locations                       401 unauthenticated
bad     GET    /events/{show}/availability      401 unauthenticated
bad     POST   /events                          401 unauthenticated
bad     POST   /events/{show}/bookings          401 unauthenticated
bad     GET    /events/audit                    401 unauthenticated
bad     GET    /bookings/audit                  401 unauthenticated
bad     GET    /healthz                         200 -
bad     GET    /readyz                          200 -
bad     GET    /openapi.json                    200 -
bad     GET    /docs                            200 -
bad     GET    /nothing                         404 unknown-path

reader  GET    /events                          200 -
reader  GET    /users/me                        200 -
reader  GET    /users/me/bookings               200 -
reader  POST   /events                          403 insufficient-scope
reader  PUT    /events/{new}                    403 insufficient-scope
reader  DELETE /events/{event:ann}              403 insufficient-scope
reader  POST   /locations                       403 insufficient-scope
reader  POST   /events/{show}/bookings          403 insufficient-scope
reader  GET    /events/{show}/bookings          403 insufficient-scope
reader  DELETE /bookings/{booking:ann}          403 insufficient-scope
reader  DELETE /users/me                        403 insufficient-scope
reader  GET    /events/audit                    403 insufficient-scope
reader  GET    /bookings/audit                  403 insufficient-scope
reader  GET    /bookings/{booking:ann}          404 not-found
reader  GET    /users/{user:ann}                404 not-found

ann     POST   /events                          201 -
ann     PUT    /events/{new}                    201 -
ann     PUT    /events/{event:ann}              200 -
ann     DELETE /events/{event:ann}              204 -
ann     DELETE /events/id/{event:ann}           204 -
ann     PUT    /events/{event:bob}              403 forbidden
ann     DELETE /events/{event:bob}              403 forbidden
ann     DELETE /events/Id/{event:bob}           403 forbidden
ann     PUT    /events/{event:old}              403 forbidden
ann     DELETE /events/{event:old}              403 forbidden
ann     DELETE /events/{new}                    404 not-found
ann     POST   /locations                       201 -
ann     PUT    /locations/{location:ann}        200 -
ann     DELETE /locations/{location:ann}        204 -
ann     PUT    /locations/{location:bob}        403 forbidden
ann     DELETE /locations/{location:bob}        403 forbidden
ann     DELETE /locations/{location:old}        403 forbidden
ann     PUT    /locations/{location:gone-bob}   403 forbidden
ann     POST   /events/{show}/bookings          201 -
ann     POST   /events/{show}/bookings?for=ann  201 -
ann     POST   /events/{show}/bookings?for=bob  403 forbidden
ann     POST   /events/{new}/bookings           404 not-found
ann     GET    /events/{show}/bookings          403 insufficient-scope
ann     GET    /bookings/{booking:ann}          200 -
ann     DELETE /bookings/{booking:ann}          204 -
ann     GET    /bookings/{booking:bob}          404 not-found
ann     DELETE /bookings/{booking:bob}          404 not-found
ann     GET    /bookings/{booking:old}          404 not-found
ann     DELETE /bookings/{booking:old}          404 not-found
ann     GET    /bookings/{new}                  404 not-found
ann     GET    /users/me                        200 -
ann     GET    /users/{user:ann}                200 -
ann     GET    /users/{user:ann}/bookings       200 -
ann     GET    /users/{user:bob}                404 not-found
ann     GET    /users/{user:bob}/bookings       404 not-found
ann     DELETE /users/{user:bob}                404 not-found
ann     GET    /users/{user:old}                404 not-found
ann     POST   /users                           403 insufficient-scope
ann     GET    /events/audit                    403 insufficient-scope
ann     GET    /bookings/audit                  403 insufficient-scope

eventer PUT    /events/{event:bob}              200 -
eventer DELETE /events/{event:bob}              204 -
eventer PUT    /events/{event:old}              200 -
eventer DELETE /events/{event:old}              204 -
eventer DELETE /locations/{location:bob}        204 -
eventer POST   /events                          201 -
eventer POST   /events/{show}/bookings          403 insufficient-scope
eventer GET    /bookings/{booking:bob}          404 not-found
eventer GET    /events/{show}/bookings          403 insufficient-scope
eventer GET    /events/audit                    200 -
eventer GET    /bookings/audit                  403 insufficient-scope
eventer POST   /events/audit                    405 method-not-allowed

booker  GET    /bookings/{booking:bob}          200 -
booker  DELETE /bookings/{booking:bob}          204 -
booker  GET    /bookings/{booking:old}          200 -
booker  DELETE /bookings/{booking:old}          204 -
booker  GET    /events/{show}/bookings          200 -
booker  GET    /users/{user:bob}                200 -
booker  GET    /users/{user:old}                200 -
booker  POST   /users                           201 -
booker  POST   /events/{show}/bookings          201 -
booker  POST   /events/{show}/bookings?for=bob  403 forbidden
booker  POST   /events                          403 insufficient-scope
booker  DELETE /events/{event:bob}              403 insufficient-scope
booker  GET    /events/audit                    403 insufficient-scope
booker  GET    /bookings/audit                  200 -

ann     DELETE /users/me                        409 conflict
ann     DELETE /users/{user:ann}                409 conflict
booker  DELETE /users/{user:bob}                204 -
";

/// With sign-in off everybody may do everything, and a token says nothing.
const ANONYMOUS: &str = "
nobody  POST   /events                          201 -
nobody  PUT    /events/{event:old}              200 -
nobody  DELETE /events/{event:old}              204 -
nobody  DELETE /locations/{location:old}        204 -
nobody  POST   /events/{show}/bookings          201 -
nobody  GET    /bookings/{booking:old}          200 -
nobody  DELETE /bookings/{booking:old}          204 -
nobody  GET    /events/{show}/bookings          200 -
nobody  GET    /users/{user:old}                200 -
nobody  GET    /users/me                        404 not-found
nobody  POST   /users                           201 -
nobody  GET    /events/audit                    200 -
nobody  GET    /bookings/audit                  200 -
bad     GET    /events                          200 -
bad     POST   /events                          201 -
ann     POST   /events/{show}/bookings          201 -
reader  DELETE /events/{event:old}              204 -
";

fn event(name: &str) -> Value {
    json!({
        "name": name, "startdate": 4_000_000_000_u32, "enddate": 4_000_003_600_u32, "duration": 60,
        "location": {"name": "house", "halls": [{"name": "hall", "capacity": 1000}]},
    })
}

/// The callers, and how fresh records come about.
struct Scene<'a> {
    program: &'a Program,
    tokens: HashMap<&'static str, String>,
    show: String,
    /// Records from before sign-in, taken one by one.
    old: HashMap<&'static str, Vec<String>>,
    made: u32,
}

impl Scene<'_> {
    fn token(&self, caller: &str) -> Option<&str> {
        self.tokens.get(caller).map(String::as_str)
    }

    async fn make(&self, caller: &str, path: &str, body: &Value) -> String {
        let made = ask(self.program, self.token(caller), "POST", path, body).await;
        assert_eq!(made.status, 201, "{caller} {path}: {:?}", made.json());
        made.json().unwrap()["ID"].as_str().unwrap().to_owned()
    }

    /// A record of this kind and owner that nothing was done to yet.
    async fn fresh(&mut self, kind: &str, owner: &str) -> String {
        self.made += 1;
        if let Some(old) = self.old.get_mut(kind).filter(|_| owner == "old") {
            return old.pop().unwrap();
        }
        let name = format!("{kind} {}", self.made);
        match (kind, owner.strip_prefix("gone-")) {
            ("event", _) => self.make(owner, "/events", &event(&name)).await,
            ("location", Some(owner)) => {
                let id = self.make(owner, "/locations", &json!({"name": name})).await;
                let gone = ask(
                    self.program,
                    self.token(owner),
                    "DELETE",
                    &format!("/locations/{id}"),
                    &Value::Null,
                )
                .await;
                assert_eq!(gone.status, 204);
                id
            }
            ("location", None) => self.make(owner, "/locations", &json!({"name": name})).await,
            ("booking", _) => {
                let path = format!("/events/{}/bookings", self.show);
                self.make(owner, &path, &json!({"seats": 1})).await
            }
            ("user", _) => {
                self.fresh_booking(owner).await;
                let me = ask(self.program, self.token(owner), "GET", "/users/me", &Value::Null).await;
                me.json().unwrap()["ID"].as_str().unwrap().to_owned()
            }
            _ => panic!("no record of kind {kind}"),
        }
    }

    /// So that the person has a record.
    async fn fresh_booking(&self, owner: &str) {
        let path = format!("/events/{}/bookings", self.show);
        self.make(owner, &path, &json!({"seats": 1})).await;
    }

    async fn filled(&mut self, path: &str) -> String {
        let Some((before, rest)) = path.split_once('{') else {
            return path.to_owned();
        };
        let (what, after) = rest.split_once('}').unwrap();
        let id = match what.split_once(':') {
            Some((kind, owner)) => self.fresh(kind, owner).await,
            None if what == "show" => self.show.clone(),
            None => {
                self.made += 1;
                format!("{:024x}", 0xabcd_0000_0000_u64 + u64::from(self.made))
            }
        };
        format!("{before}{id}{after}")
    }

    async fn body(&mut self, method: &str, path: &str) -> Value {
        self.made += 1;
        match (method, path) {
            ("GET" | "DELETE", _) => Value::Null,
            (_, path) if path.contains("/bookings") => match path.split_once("?for=") {
                Some((_, other)) => json!({"seats": 1, "userId": self.fresh("user", other).await}),
                None => json!({"seats": 1}),
            },
            (_, path) if path.starts_with("/events") => event(&format!("made {}", self.made)),
            (_, path) if path.starts_with("/locations") => json!({"name": format!("made {}", self.made)}),
            _ => json!({"first": "Eve"}),
        }
    }

    /// Runs every line and tells all that are wrong.
    async fn run(&mut self, table: &str) -> usize {
        let mut wrong = Vec::new();
        let lines: Vec<&str> = table.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in &lines {
            let [caller, method, path, status, word] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("not five words: {line}");
            };
            let body = self.body(method, path).await;
            let path = self.filled(path.split("?for=").next().unwrap()).await;
            let answer = ask(self.program, self.token(caller), method, &path, &body).await;
            if answer.status.to_string() != status || problem(&answer) != word {
                wrong.push(format!(
                    "{line}\n    got {} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ));
            }
            // RFC 6750: a challenge with every 401, without error where nothing was brought; the scope that is needed.
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            let fits = match (word, caller) {
                ("unauthenticated", "nobody") => challenge == "Bearer realm=\"myevents\"",
                ("unauthenticated", _) => challenge.contains("error=\"invalid_token\""),
                ("insufficient-scope", _) => challenge.contains("error=\"insufficient_scope\", scope=\""),
                _ => challenge.is_empty(),
            };
            if !fits {
                wrong.push(format!("{line}\n    with the challenge {challenge}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} lines:\n{}",
            wrong.len(),
            lines.len(),
            wrong.join("\n")
        );
        lines.len()
    }
}

/// As many records of each kind as the table takes.
async fn records(program: &Program, show: &str) -> HashMap<&'static str, Vec<String>> {
    let mut all: HashMap<&'static str, Vec<String>> = HashMap::new();
    let bookings = format!("/events/{show}/bookings");
    for number in 0..6 {
        for (kind, path, body) in [
            ("event", "/events", event(&format!("old {number}"))),
            ("location", "/locations", json!({"name": format!("old {number}")})),
            ("booking", bookings.as_str(), json!({"seats": 1, "name": "Old"})),
            ("user", "/users", json!({"first": format!("Old {number}")})),
        ] {
            let made = ask(program, None, "POST", path, &body).await;
            assert_eq!(made.status, 201, "{path}: {:?}", made.json());
            let id = made.json().unwrap()["ID"].as_str().unwrap().to_owned();
            all.entry(kind).or_default().push(id);
        }
    }
    all
}

fn tokens(issuer: &Issuer) -> HashMap<&'static str, String> {
    let mut tokens: HashMap<&'static str, String> = [
        ("reader", "profile"),
        ("ann", "events:write bookings:write"),
        ("bob", "bookings:write events:write"),
        ("eventer", "events:admin"),
        ("booker", "bookings:admin"),
    ]
    .into_iter()
    .map(|(caller, scopes)| (caller, issuer.token(caller, scopes)))
    .collect();
    // Everything about it is right but the signature.
    let (signed, _) = tokens["eventer"].rsplit_once('.').unwrap();
    let (_, other) = tokens["ann"].rsplit_once('.').unwrap();
    tokens.insert("bad", format!("{signed}.{other}"));
    tokens
}

/// The audit log after the table: who changed what of others, by the names that their tokens have.
async fn audited(program: &Program, tokens: &HashMap<&'static str, String>) {
    let list = async |caller: &str, path: &str| {
        let answer = ask(program, Some(&tokens[caller]), "GET", path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.json().unwrap().as_array().unwrap().clone()
    };
    let count = |log: &[Value], who: &str, subject: Option<&str>, action: &str| {
        let found = log.iter().filter(|line| {
            line["Who"] == who && line["Subject"].as_str() == subject && line["Action"] == action
        });
        found.count()
    };
    let events = list("eventer", "/events/audit").await;
    // The lines of the table that were answered with success.
    assert_eq!(count(&events, "subject", Some("eventer"), "event.cancelled"), 2);
    assert_eq!(count(&events, "subject", Some("eventer"), "event.updated"), 2);
    assert_eq!(count(&events, "subject", Some("eventer"), "location.deleted"), 1);
    assert_eq!(count(&events, "subject", Some("ann"), "event.cancelled"), 2);
    assert_eq!(count(&events, "subject", Some("reader"), "event.cancelled"), 0);
    assert!(count(&events, "anonymous", None, "event.created") > 6);
    let bookings = list("booker", "/bookings/audit").await;
    assert_eq!(
        count(&bookings, "subject", Some("booker"), "booking.cancelled"),
        2
    );
    assert_eq!(count(&bookings, "subject", Some("ann"), "booking.cancelled"), 0);
    assert_eq!(count(&bookings, "subject", Some("booker"), "user.removed"), 1);
    assert_eq!(bookings.len(), 3, "{bookings:#?}");
}

/// The log at the address of its own that a service has: caller, what the event service answers, and the booking service.
const OWN_LOGS: &str = "
nobody  401 401
bad     401 401
reader  403 403
ann     403 403
eventer 200 403
booker  403 200
";

/// It is closed there as it is elsewhere, and shows the same lines.
async fn own_logs(program: &Program, tokens: &HashMap<&'static str, String>) {
    let own = program.own.unwrap().map(|address| {
        let mut own = program.clone();
        own.service.bookings = address;
        own
    });
    for line in OWN_LOGS.lines().filter(|line| !line.is_empty()) {
        let [caller, statuses @ ..] = &line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("no caller: {line}");
        };
        let token = tokens.get(caller).map(String::as_str);
        for ((service, status), elsewhere) in
            own.iter().zip(statuses).zip(["/events/audit", "/bookings/audit"])
        {
            let answer = ask(service, token, "GET", "/audit", &Value::Null).await;
            assert_eq!(&answer.status.to_string(), status, "{line}, beside {elsewhere}");
            let same = ask(program, token, "GET", elsewhere, &Value::Null).await;
            assert_eq!(same.status, answer.status, "{line}, {elsewhere}");
            if answer.status == 200 {
                assert_eq!(answer.body, same.body, "{line}, {elsewhere}");
            }
        }
    }
    for service in &own {
        let written = ask(service, Some(&tokens["eventer"]), "POST", "/audit", &json!({})).await;
        assert_eq!(written.status, 405);
    }
    // Whose log it would be nobody could tell on the address of both.
    let both = ask(program, Some(&tokens["eventer"]), "GET", "/audit", &Value::Null).await;
    assert_eq!((both.status, problem(&both).as_str()), (404, "unknown-path"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start().await;
    let tokens = tokens(&issuer);

    // Before sign-in: everybody may, and what is made belongs to nobody.
    let before = program(&folder, &[]);
    let running = before.start_ready().await.unwrap();
    let show = before.service.new_event("show", 1000).await.unwrap();
    before.service.wait_bookable(&show, 1000).await.unwrap();
    let mut scene = Scene {
        program: &before,
        tokens: tokens.clone(),
        show: show.clone(),
        old: records(&before, &show).await,
        made: 0,
    };
    let anonymous = scene.run(ANONYMOUS).await;
    let old = records(&before, &show).await;
    running.stop().await.unwrap();

    // The same stores with sign-in. The issuer is found by discovery.
    let mut after = program(
        &folder,
        &[
            ("MYEVENTS_AUTH", "jwt"),
            ("MYEVENTS_AUTH_ISSUER", &issuer.url),
            ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
            ("MYEVENTS_LOG", "debug"),
        ],
    )
    .with_own_ports();
    after.service = before.service;
    let running = after.start_ready().await.unwrap();
    let mut scene = Scene {
        program: &after,
        tokens,
        show,
        old,
        made: 1000,
    };
    let signed_in = scene.run(SIGNED_IN).await;
    assert!(anonymous + signed_in >= 60, "{anonymous} + {signed_in}");

    audited(&after, &scene.tokens).await;
    own_logs(&after, &scene.tokens).await;

    let log = running.log();
    for token in scene.tokens.values() {
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(!log.contains(signature), "a token is in the log:\n{log}");
    }
    running.stop().await.unwrap();
}
