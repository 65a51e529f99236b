//! TLS towards Kafka: by its own listener, and by a front before it that counts what came to an agreement. With the right authority all
//! works, with a wrong one nothing does, and it is said why.

use myevents_servers::Server;
use myevents_servers::tls::{Authority, Front};

use crate::client::{PATIENCE, path};
use crate::upstream::{agreed, program, refusal};

/// A Kafka behind a front that asks for a certificate of `clients`, and tells its clients to come to that.
async fn kafka(test: &'static str, ours: &Authority, clients: &Authority) -> Option<(Server, Front)> {
    let config = ours.server(Some(clients)).unwrap();
    let starting = move || {
        let mut front = None;
        let server = Server::start_behind(test, |server| {
            let started = Front::start(server, config)?;
            let address = started.address();
            front = Some(started);
            Ok(address)
        });
        server.unwrap().zip(front)
    };
    tokio::task::spawn_blocking(starting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_is_proven_by_the_authority_that_is_named_and_proves_its_clients() {
    let test = "kafka_is_proven_by_the_authority_that_is_named_and_proves_its_clients";
    let folder = tempfile::tempdir().unwrap();
    let (ours, clients) = (
        Authority::new("ours").unwrap(),
        Authority::new("clients").unwrap(),
    );
    let Some((_server, front)) = kafka(test, &ours, &clients).await else {
        return;
    };
    let ca = path(&ours.write(folder.path(), "ours").unwrap());
    let others = Authority::new("ours").unwrap();
    let others = path(&others.write(folder.path(), "others").unwrap());
    let own = clients.issue("the service").unwrap();
    let (certificate, key) = own.write(folder.path(), "own").unwrap();
    let (certificate, key) = (path(&certificate), path(&key));
    let settings = [
        ("MESSAGE_BROKER_TYPE".to_owned(), "kafka".to_owned()),
        (
            "KAFKA_MESSAGE_BROKERS".to_owned(),
            format!("ssl://{}", front.address()),
        ),
    ];
    let identity = [
        ("BROKER_TLS_CERTIFICATE", certificate.as_str()),
        ("BROKER_TLS_KEY", key.as_str()),
    ];
    let with = |more: &[(&str, &str)]| program(&folder, &settings, &[&identity[..], more].concat());

    // The authority that is named, and one of the system's.
    for trusted in ["BROKER_TLS_CA", "SSL_CERT_FILE"] {
        let good = with(&[(trusted, &ca)]);
        let running = good.start_ready().await.unwrap();
        // Bookable once the message has come through.
        good.service.new_event("over TLS", 10).await.unwrap();
        running.stop().await.unwrap();
    }
    let shaken = agreed(&front).await;
    assert!(shaken > 0);
    // Another authority, though the system's would do; and none, as the system's do not know it.
    for settings in [
        &[("BROKER_TLS_CA", others.as_str()), ("SSL_CERT_FILE", ca.as_str())][..],
        &[],
    ] {
        let unproven = with(settings);
        let running = unproven.start().unwrap();
        running
            .log_with("Kafka's certificate is not valid for this address")
            .await
            .unwrap();
        // It serves while the broker is away.
        unproven.service.wait_ready(PATIENCE).await.unwrap();
        running.stop().await.unwrap();
    }
    let nobody = program(&folder, &settings, &[("BROKER_TLS_CA", &ca)]);
    let running = nobody.start().unwrap();
    running.log_with("certificate required").await.unwrap();
    running.stop().await.unwrap();
    let now = agreed(&front).await;
    assert_eq!(now, shaken, "something was said to a broker that was not proven");

    let plain = format!("plaintext://{}", front.address());
    let foreign = Authority::new("foreign").unwrap().issue("another").unwrap();
    let (_, foreign_key) = foreign.write(folder.path(), "foreign").unwrap();
    let foreign_key = path(&foreign_key);
    for (settings, told) in [
        (&[("KAFKA_MESSAGE_BROKERS", plain.as_str())][..], "plaintext://"),
        (
            &[("BROKER_TLS_CA", key.as_str())],
            "there is no `BEGIN CERTIFICATE`",
        ),
        (&[("BROKER_TLS_KEY", "/no/such.key")], "/no/such.key"),
        (
            &[("BROKER_TLS_KEY", foreign_key.as_str())],
            "kafka's client can't be set up so",
        ),
        (&[("KAFKA_MESSAGE_BROKERS", "sasl_ssl://broker:9093")], "SASL"),
        (
            &[("KAFKA_MESSAGE_BROKERS", "https://broker:9093")],
            "ssl://host:port",
        ),
    ] {
        let said = refusal(&with(settings)).await;
        assert!(said.contains(told), "{told} is not in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_speaks_tls_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, clients) = (
        Authority::new("ours").unwrap(),
        Authority::new("clients").unwrap(),
    );
    let write = |authority: &Authority, name| path(&authority.write(folder.path(), name).unwrap());
    let ca = write(&ours, "ours");
    let others = write(&Authority::new("ours").unwrap(), "others");
    let own = clients.issue("the service").unwrap();
    let strange = Authority::new("clients").unwrap().issue("a stranger").unwrap();
    let [own, strange] = [(own, "own"), (strange, "strange")].map(|(pair, name)| {
        let (certificate, key) = pair.write(folder.path(), name).unwrap();
        [
            ("BROKER_TLS_CERTIFICATE", path(&certificate)),
            ("BROKER_TLS_KEY", path(&key)),
        ]
    });
    let certificate = ours.issue("kafka").unwrap();
    let starting = move || Server::start_over_tls("kafka_speaks_tls_itself", &certificate, &clients).unwrap();
    let Some((_server, address)) = tokio::task::spawn_blocking(starting).await.unwrap() else {
        return;
    };
    let settings = [
        ("MESSAGE_BROKER_TYPE".to_owned(), "kafka".to_owned()),
        ("KAFKA_MESSAGE_BROKERS".to_owned(), format!("ssl://{address}")),
    ];
    let with = |ca: &str, identity: &[(&str, String)]| {
        let identity = identity.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = identity.chain([("BROKER_TLS_CA", ca)]).collect();
        program(&folder, &settings, &all)
    };

    let good = with(&ca, &own);
    let running = good.start_ready().await.unwrap();
    good.service.new_event("over Kafka's own TLS", 10).await.unwrap();
    running.stop().await.unwrap();
    for (ca, identity, told) in [
        (
            &others,
            &own[..],
            "Kafka's certificate is not valid for this address",
        ),
        (&ca, &strange, "SSL/TLS alert certificate unknown"),
        (&ca, &[], "SSL/TLS alert bad certificate"),
    ] {
        let unproven = with(ca, identity);
        let running = unproven.start().unwrap();
        running.log_with(told).await.unwrap();
        unproven.service.wait_ready(PATIENCE).await.unwrap();
        unproven.service.wait_broker("away", PATIENCE).await.unwrap();
        running.stop().await.unwrap();
    }
}
