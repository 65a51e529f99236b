//! Layers, faults, names and the reference page.

use std::io::Write;
use std::time::Duration;

use super::*;
use crate::rest::KeySource;

fn inputs(program: Program, environment: &[(&str, &str)]) -> Inputs {
    Inputs {
        program,
        file: None,
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        flags: Vec::new(),
    }
}

fn with_file(mut inputs: Inputs, text: &str) -> (Inputs, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    inputs.file = Some(file.path().to_owned());
    (inputs, file)
}

fn faults(inputs: &Inputs) -> String {
    Settings::load(inputs).unwrap_err().to_string()
}

fn service(settings: &Settings, name: ServiceName) -> &ServiceSettings {
    settings.service(name).unwrap()
}

#[test]
fn defaults_by_program() {
    let both = Settings::load(&inputs(Program::MyEvents, &[])).unwrap();
    assert_eq!(both.broker, "local");
    assert_eq!(both.listen.unwrap().to_string(), "127.0.0.1:8080");
    let alone = Settings::load(&inputs(Program::BookingService, &[])).unwrap();
    assert_eq!(alone.broker, "amqp");
    assert_eq!(alone.listen, None);
    assert_eq!(alone.metrics.unwrap().to_string(), "localhost:9101");
    let booking = &alone.services[0];
    assert_eq!(booking.listen.as_ref().unwrap().to_string(), "localhost:8282");
    assert_eq!(booking.desk_wait, Duration::from_secs(2));
    assert_eq!(booking.table_prefix, "booking-");
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let text = r#"{"desk_wait": 3, "max_attempts": 7, "request_timeout": "4s"}"#;
    let (mut inputs, _file) = with_file(
        inputs(
            Program::MyEvents,
            &[("MYEVENTS_DESK_WAIT", "500ms"), ("MYEVENTS_REQUEST_TIMEOUT", "5")],
        ),
        text,
    );
    inputs.flags.push(FlagValue {
        flag: "--request-timeout",
        key: "request_timeout",
        service: None,
        value: "6s".into(),
    });
    let settings = Settings::load(&inputs).unwrap();
    let event = service(&settings, ServiceName::Event);
    assert_eq!(event.max_attempts, 7);
    assert_eq!(event.desk_wait, Duration::from_millis(500));
    assert_eq!(event.request_timeout, Duration::from_secs(6));
    let shown = settings
        .in_force
        .iter()
        .find(|entry| entry.key == "desk_wait")
        .unwrap();
    assert_eq!(
        (shown.value.as_str(), shown.origin.as_str()),
        ("500ms", "environment MYEVENTS_DESK_WAIT")
    );
}

#[test]
fn one_service_can_differ() {
    let text = r#"{"bookingservice": {"desk_wait": 9, "max_attempts": 3}, "desk_wait": 1}"#;
    let (inputs, _file) = with_file(
        inputs(
            Program::MyEvents,
            &[("MYEVENTS_BOOKINGSERVICE_MAX_ATTEMPTS", "4")],
        ),
        text,
    );
    let settings = Settings::load(&inputs).unwrap();
    assert_eq!(
        service(&settings, ServiceName::Event).desk_wait,
        Duration::from_secs(1)
    );
    assert_eq!(
        service(&settings, ServiceName::Booking).desk_wait,
        Duration::from_secs(9)
    );
    assert_eq!(service(&settings, ServiceName::Booking).max_attempts, 4);
    assert_eq!(service(&settings, ServiceName::Event).max_attempts, 5);
}

#[test]
fn all_faults_are_told_at_once_with_key_and_source() {
    let text = r#"{"desk_wiat": 3, "auth": "jtw", "max_attempts": {"a": 1}}"#;
    let (inputs, file) = with_file(
        inputs(
            Program::MyEvents,
            &[
                ("MYEVENTS_SHUTDOWN_TIMEOUT", "soon"),
                ("MYEVENTS_NO_SUCH", "1"),
                ("MYEVENTS_LISTEN", "0.0.0.0:80"),
                ("MYEVENTS_KAFKA_PARTITIONS", "many"),
                ("MYEVENTS_REQUIRE", "all"),
                ("MYEVENTS_CRASH_AT", "x"),
                ("LISTEN_URL", "not read here"),
            ],
        ),
        text,
    );
    let told = faults(&inputs);
    let path = file.path().display();
    for line in [
        format!("desk_wiat (file {path}): no such key"),
        format!("auth (file {path}): `jtw` is none of none, jwt"),
        format!("max_attempts (file {path}): no such key"),
        "shutdown_timeout (environment MYEVENTS_SHUTDOWN_TIMEOUT): `soon` is no time".into(),
        "MYEVENTS_NO_SUCH (environment MYEVENTS_NO_SUCH): no such key".into(),
        "kafka_partitions (environment MYEVENTS_KAFKA_PARTITIONS): `many` is no whole number".into(),
        "allow_anonymous (default): with auth none everybody who reaches 0.0.0.0:80 may write".into(),
    ] {
        assert!(told.contains(&line), "{line}\nis not in\n{told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
}

#[test]
fn sign_in_opens_other_addresses() {
    let settings = Settings::load(&inputs(
        Program::MyEvents,
        &[
            ("MYEVENTS_LISTEN", "0.0.0.0:80"),
            ("MYEVENTS_AUTH", "jwt"),
            ("MYEVENTS_AUTH_ISSUER", "https://id.example/"),
            ("MYEVENTS_AUTH_AUDIENCE", "myevents, tickets"),
        ],
    ))
    .unwrap();
    let jwt = service(&settings, ServiceName::Booking).auth.clone().unwrap();
    assert_eq!(jwt.issuer, "https://id.example/");
    assert_eq!(jwt.audiences, ["myevents", "tickets"]);
    assert_eq!(jwt.keys, KeySource::Discovery);
    assert_eq!(jwt.leeway, Duration::from_secs(60));
    assert_eq!(jwt.scope_claims, ["scope", "scp"]);
    assert_eq!(Some(jwt), service(&settings, ServiceName::Event).auth.clone());

    // Half of it is not enough: the other service would be open to everybody.
    let told = faults(&inputs(
        Program::MyEvents,
        &[
            ("MYEVENTS_LISTEN", "0.0.0.0:80"),
            ("MYEVENTS_EVENTSERVICE_AUTH", "jwt"),
            ("MYEVENTS_AUTH_ISSUER", "https://id.example/"),
            ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
        ],
    ));
    assert!(
        told.contains("with auth none everybody who reaches 0.0.0.0:80"),
        "{told}"
    );
}

#[test]
fn what_sign_in_lacks_is_told_by_key_and_remedy() {
    let jwt = ("MYEVENTS_AUTH", "jwt");
    let issuer = ("MYEVENTS_AUTH_ISSUER", "https://id.example/");
    let named = ("MYEVENTS_AUTH_ISSUER", "tickets");
    let audience = ("MYEVENTS_AUTH_AUDIENCE", "myevents");
    let pem = ("MYEVENTS_AUTH_PUBLIC_KEY", "key.pem");
    let jwks = ("MYEVENTS_AUTH_JWKS", "keys.json");
    for (set, wanted) in [
        (vec![jwt, audience], "auth_issuer (default): is missing"),
        (vec![jwt, issuer], "auth_audience (default): is missing"),
        (vec![jwt, named, audience], "auth_jwks (default): is missing"),
        (
            vec![jwt, named, audience, pem, jwks],
            "auth_public_key (environment MYEVENTS_AUTH_PUBLIC_KEY): is set beside auth_jwks",
        ),
        (
            vec![
                jwt,
                named,
                audience,
                ("MYEVENTS_AUTH_JWKS", "http://id.example/keys"),
            ],
            "auth_jwks (environment MYEVENTS_AUTH_JWKS): is http",
        ),
        (
            vec![jwt, issuer, audience, ("MYEVENTS_AUTH_LEEWAY", "1h")],
            "is more than 10 minutes",
        ),
        (
            vec![jwt, issuer, audience, ("MYEVENTS_AUTH_SCOPE_CLAIM", " ")],
            "names no claim",
        ),
        (
            vec![jwt, issuer, audience, ("MYEVENTS_AUTH_REFRESH_PAUSE", "0")],
            "is less than 10ms",
        ),
        (
            vec![issuer],
            "auth_issuer (environment MYEVENTS_AUTH_ISSUER): is set, and nobody signs in",
        ),
    ] {
        let told = faults(&inputs(Program::EventService, &set));
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
    for good in [vec![jwt, named, audience, pem], vec![jwt, named, audience, jwks]] {
        Settings::load(&inputs(Program::EventService, &good)).unwrap();
    }
}

#[test]
fn what_the_pages_sign_in_lacks_is_told_by_key_and_remedy() {
    let jwt = [
        ("MYEVENTS_AUTH", "jwt"),
        ("MYEVENTS_AUTH_ISSUER", "tickets"),
        ("MYEVENTS_AUTH_AUDIENCE", "myevents"),
        ("MYEVENTS_AUTH_JWKS", "keys.json"),
    ];
    let client = ("MYEVENTS_PAGE_CLIENT_ID", "page");
    let issuer = ("MYEVENTS_PAGE_ISSUER", "https://id.example/realms/tickets");
    let with = |more: &[(&'static str, &'static str)]| [&jwt[..], more].concat();
    for (set, wanted) in [
        (
            vec![client, issuer],
            "page_client_id (environment MYEVENTS_PAGE_CLIENT_ID): is set, and the services take no tokens",
        ),
        (
            with(&[("MYEVENTS_PAGE_RESOURCE", "urn:x")]),
            "page_resource (environment MYEVENTS_PAGE_RESOURCE): is set, and the page has no",
        ),
        (
            with(&[client]),
            "auth_issuer (environment MYEVENTS_AUTH_ISSUER): can't be where people sign in",
        ),
        (
            with(&[client, ("MYEVENTS_PAGE_ISSUER", "http://id.example")]),
            "page_issuer (environment MYEVENTS_PAGE_ISSUER): can't be",
        ),
        (
            with(&[client, issuer, ("MYEVENTS_PAGE_SCOPES", "profile")]),
            "lacks `openid`",
        ),
        (
            with(&[client, issuer, ("MYEVENTS_PAGE_ORIGINS", "https://a.example/x")]),
            "is no origin such as",
        ),
        (
            with(&[client, issuer, ("MYEVENTS_PAGE_ORIGINS", "https://a.example;x")]),
            "is no origin such as",
        ),
    ] {
        let told = faults(&inputs(Program::MyEvents, &set));
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
    let set = with(&[
        client,
        issuer,
        (
            "MYEVENTS_PAGE_ORIGINS",
            "https://a.example, https://b.example:8443",
        ),
    ]);
    let page = Settings::load(&inputs(Program::MyEvents, &set))
        .unwrap()
        .page_sign_in
        .unwrap();
    assert_eq!(
        (page.issuer.as_str(), page.client_id.as_str()),
        (issuer.1, "page")
    );
    assert_eq!(page.scopes, ["openid", "profile", "bookings:write"]);
    assert_eq!(page.origins, ["https://a.example", "https://b.example:8443"]);
    // What is left empty, as in an environment file, is not set.
    let empty = with(&[
        ("MYEVENTS_PAGE_CLIENT_ID", ""),
        ("MYEVENTS_PAGE_RESOURCE", ""),
        ("MYEVENTS_PAGE_ORIGINS", ""),
    ]);
    assert_eq!(
        Settings::load(&inputs(Program::MyEvents, &empty))
            .unwrap()
            .page_sign_in,
        None
    );
}

#[test]
fn names_that_other_systems_set() {
    let settings = Settings::load(&inputs(
        Program::EventService,
        &[
            ("LISTEN_URL", "127.0.0.1:1"),
            ("MONGO_URL", "mongodb://u:pw@db/x"),
            ("AMQP_URL", "amqp://a:b@one"),
            ("KAFKA_BROKERS", "k:1"),
            ("METRICS_URL", ""),
        ],
    ))
    .unwrap();
    let event = &settings.services[0];
    assert_eq!(event.listen.as_ref().unwrap().port, 1);
    assert_eq!(event.database, "mongodb");
    assert_eq!(event.connection.as_ref().unwrap().reveal(), "mongodb://u:pw@db/x");
    assert_eq!(settings.broker, "amqp");
    assert_eq!(settings.warnings.len(), 1);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("pw@") && !shown.contains("a:b@"), "{shown}");

    let explicit = Settings::load(&inputs(
        Program::EventService,
        &[("SQS_QUEUE", "q"), ("MYEVENTS_MESSAGE_BROKER_TYPE", "kafka")],
    ));
    assert_eq!(explicit.unwrap().broker, "kafka");
}

#[test]
fn traces_are_sent_as_the_standard_variables_say() {
    let settings = Settings::load(&inputs(Program::MyEvents, &[])).unwrap();
    assert!(settings.otel.endpoint.is_none() && settings.otel.service_name.is_none());
    assert_eq!(settings.otel.sampler, "parentbased_always_on");
    let settings = Settings::load(&inputs(
        Program::MyEvents,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:hidden@collector:4318"),
            ("OTEL_SERVICE_NAME", "tickets"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ],
    ))
    .unwrap();
    let otel = &settings.otel;
    assert_eq!(
        otel.endpoint.as_ref().unwrap().reveal(),
        "https://me:hidden@collector:4318"
    );
    assert_eq!(otel.service_name.as_deref(), Some("tickets"));
    assert_eq!((otel.sampler.as_str(), otel.share), ("traceidratio", 0.25));
    assert!(!format!("{settings:?}").contains("hidden"));

    let told = faults(&inputs(
        Program::EventService,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "me:hidden@collector:4317"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("MYEVENTS_OTEL_TRACES_SAMPLER_ARG", "2"),
        ],
    ));
    for line in [
        "otel_endpoint (environment OTEL_EXPORTER_OTLP_ENDPOINT): is no URL",
        "otel_traces_sampler (environment OTEL_TRACES_SAMPLER): `jaeger_remote` is none of",
        "otel_traces_sampler_arg (environment MYEVENTS_OTEL_TRACES_SAMPLER_ARG): `2` is no number from 0 to 1",
    ] {
        assert!(told.contains(line), "{line}\nis not in\n{told}");
    }
    assert!(!told.contains("hidden"), "{told}");
    let broken = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:hid den@collector");
    let told = faults(&inputs(Program::EventService, &[broken]));
    assert!(told.contains("is no URL") && !told.contains("hid den"), "{told}");
}

#[test]
fn what_is_open_to_others_is_warned_of() {
    let quiet = [
        ("METRICS_URL", "127.0.0.1:9100"),
        ("MONGO_URL", "mongodb://u:pw@db/tlsInsecure=true?tls=true"),
    ];
    let settings = Settings::load(&inputs(Program::EventService, &quiet)).unwrap();
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let loud = [
        ("METRICS_URL", "0.0.0.0:9100"),
        ("MONGO_URL", "mongodb://u:pw@db/?tls=true&tlsInsecure=true"),
    ];
    let settings = Settings::load(&inputs(Program::EventService, &loud)).unwrap();
    let warnings = settings.warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("dbconnection says tlsinsecure=true") && !warnings[0].contains("pw"));
    assert!(warnings[1].contains("metrics_endpoint 0.0.0.0:9100"));
}

#[test]
fn local_is_refused_where_it_can_join_nothing() {
    let told = faults(&inputs(
        Program::EventService,
        &[("MYEVENTS_MESSAGE_BROKER_TYPE", "local")],
    ));
    assert!(
        told.contains("`local` joins services inside one process only"),
        "{told}"
    );
}

#[test]
fn half_a_certificate_is_a_fault() {
    let told = faults(&inputs(Program::EventService, &[("MYEVENTS_TLS_KEY", "k.pem")]));
    assert!(told.contains("tls_certificate (default): is missing"), "{told}");
}

#[test]
fn one_address_cannot_serve_both() {
    let told = faults(&inputs(
        Program::MyEvents,
        &[("MYEVENTS_RESTFULAPI_ENDPOINT", "localhost:1")],
    ));
    assert!(told.contains("the same address for both services"), "{told}");
}

#[test]
fn every_key_is_written_once_and_its_default_has_its_form() {
    for (index, key) in KEYS.iter().enumerate() {
        assert!(
            KEYS[index + 1..].iter().all(|other| other.name != key.name),
            "{}",
            key.name
        );
        assert!(find(key.name).is_some());
    }
    for program in [Program::EventService, Program::BookingService, Program::MyEvents] {
        Settings::load(&inputs(program, &[])).unwrap();
    }
}

#[test]
fn configuration_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        reference(),
        "docs/configuration.md is old: its second line says how to renew it"
    );
}

#[test]
fn a_service_that_does_not_send_to_the_queue_of_the_mails_is_warned_of() {
    let base = [
        ("MYEVENTS_MESSAGE_BROKER_TYPE", "sqs"),
        ("MYEVENTS_SQS_QUEUE", "events.fifo"),
        ("MYEVENTS_SMTP_URL", "smtps://mail.example.org"),
        ("MYEVENTS_SMTP_FROM", "tickets@example.org"),
    ];
    let warned = |more: &[(&str, &str)]| {
        let given = [&base[..], more].concat();
        let settings = Settings::load(&inputs(Program::MyEvents, &given)).unwrap();
        let of_mails = settings
            .warnings
            .iter()
            .filter(|text| text.contains("events-mail.fifo"));
        of_mails
            .map(|text| text.split_once(':').unwrap().0.to_owned())
            .collect::<Vec<_>>()
    };
    let both = "events.fifo,events-mail.fifo";
    assert_eq!(warned(&[]), ["eventservice", "bookingservice"]);
    let one = [("MYEVENTS_BOOKINGSERVICE_SQS_DESTINATIONS", both)];
    assert_eq!(warned(&one), ["eventservice"]);
    assert_eq!(warned(&[("MYEVENTS_SQS_DESTINATIONS", both)]), [""; 0]);
}
