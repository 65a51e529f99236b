//! TLS towards stores and brokers, by real servers, but for Kafka (kafka.rs). RabbitMQ speaks it itself; before the stand-in for MongoDB, DynamoDB Local
//! and ElasticMQ stands a front that does. With the right authority all works, with a wrong one nothing does, and it is said why.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use loadtest::program::Program;
use loadtest::service::ask;
use myevents_servers::tls::{Authority, Front};
use myevents_servers::{Kind, Server, ports};

use crate::client::{PATIENCE, path};

/// A server behind a front, and the program's settings apart from whom it trusts.
struct Upstream {
    ours: Authority,
    front: Front,
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    server: Server,
}

async fn started(test: &'static str, kind: Kind) -> Option<Server> {
    let starting = move || Server::start_or_skip(test, kind).unwrap();
    tokio::task::spawn_blocking(starting).await.unwrap()
}

impl Upstream {
    /// `settings` gets the front's `localhost:port`; names are without `MYEVENTS_` but for those of AWS.
    async fn start(
        test: &'static str,
        kind: Kind,
        settings: impl FnOnce(&str) -> Vec<(&'static str, String)>,
    ) -> Option<Self> {
        let server = started(test, kind).await?;
        let ours = Authority::new("ours").unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        let front = Front::start(address, ours.server(None).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        ours.write(folder.path(), "ours").unwrap();
        Authority::new("ours")
            .unwrap()
            .write(folder.path(), "others")
            .unwrap();
        let place = format!("localhost:{}", front.address().port());
        let settings = settings(&place).into_iter();
        Some(Self {
            settings: settings.map(|(name, value)| (name.to_owned(), value)).collect(),
            ours,
            front,
            folder,
            server,
        })
    }

    fn program(&self, more: &[(&str, &str)]) -> Program {
        program(&self.folder, &self.settings, more)
    }

    async fn agreed(&self) -> usize {
        agreed(&self.front).await
    }

    fn file(&self, name: &str) -> String {
        path(&self.folder.path().join(name))
    }
}

/// How many agreements there were, once nothing of a program that has ended is open any more.
pub(crate) async fn agreed(front: &Front) -> usize {
    let ended = async {
        while front.open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    ended.expect("a program that has ended has no connections");
    assert_eq!(front.plain(), 0, "nothing was ever said without TLS");
    front.connections()
}

pub(crate) fn program(
    folder: &tempfile::TempDir,
    settings: &[(String, String)],
    more: &[(&str, &str)],
) -> Program {
    let data = tempfile::tempdir_in(folder.path()).unwrap().keep();
    let mut program = Program::new(env!("CARGO_BIN_EXE_myevents"), data);
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    for (name, value) in settings.iter().cloned().chain(more) {
        let name = if name.starts_with("AWS_") || name.starts_with("SSL_") {
            name
        } else {
            format!("MYEVENTS_{name}")
        };
        program.environment.push((name, value));
    }
    program
}

/// What the program ends with, which it does by itself.
pub(crate) async fn refusal(program: &Program) -> String {
    let mut running = program.start().unwrap();
    let status = running.wait(PATIENCE).await.unwrap();
    assert!(!status.success(), "{}", running.log());
    running.log()
}

fn aws(mut settings: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
    ] {
        settings.push((name, value.to_owned()));
    }
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_is_proven_by_the_authority_that_is_named_and_no_other() {
    let test = "mongodb_is_proven_by_the_authority_that_is_named_and_no_other";
    let started = Upstream::start(test, Kind::Mongodb, |place| {
        vec![
            ("DATABASETYPE", "mongodb".to_owned()),
            ("EVENTSERVICE_DBCONNECTION", format!("mongodb://{place}/events")),
            (
                "BOOKINGSERVICE_DBCONNECTION",
                format!("mongodb://{place}/bookings"),
            ),
        ]
    });
    let Some(upstream) = started.await else { return };
    let (ours, others) = (upstream.file("ours.pem"), upstream.file("others.pem"));

    let program = upstream.program(&[("DATABASE_TLS_CA", &ours)]);
    let running = program.start_ready().await.unwrap();
    program.service.new_event("over TLS", 10).await.unwrap();
    assert!(upstream.front.connections() > 0);
    running.stop().await.unwrap();

    let shaken = upstream.agreed().await;
    let place = format!("mongodb://localhost:{}/", upstream.front.address().port());
    let with = |query: &str| format!("{place}?{query}");
    for (settings, told) in [
        (
            vec![("DATABASE_TLS_CA", others.clone())],
            "by the authorities in database_tls_ca",
        ),
        // The driver's own, which are those of the web.
        (
            vec![("EVENTSERVICE_DBCONNECTION", with("tls=true"))],
            "name its authority by database_tls_ca",
        ),
        (
            vec![
                ("DATABASE_TLS_CA", ours.clone()),
                ("EVENTSERVICE_DBCONNECTION", with("tls=false")),
            ],
            "dbconnection says tls=false",
        ),
        (
            vec![
                ("DATABASE_TLS_CA", ours.clone()),
                ("EVENTSERVICE_DBCONNECTION", with("tls=true&tlsInsecure=true")),
            ],
            "turns the proof of the server off",
        ),
        (
            vec![("DATABASE_TLS_CA", "/no/such/ca.pem".to_owned())],
            "/no/such/ca.pem",
        ),
    ] {
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let said = refusal(&upstream.program(&settings)).await;
        assert!(said.contains(told), "{told} is not in\n{said}");
        if told.starts_with("by the authorities") {
            let now = upstream.agreed().await;
            assert_eq!(now, shaken, "something was said to a server that was not proven");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_takes_a_client_certificate_by_the_url() {
    let test = "mongodb_takes_a_client_certificate_by_the_url";
    let started = Upstream::start(test, Kind::Mongodb, |_| {
        vec![("DATABASETYPE", "mongodb".to_owned())]
    });
    let Some(mut upstream) = started.await else { return };
    let clients = Authority::new("clients").unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream.server.port()));
    upstream.front = Front::start(address, upstream.ours.server(Some(&clients)).unwrap()).unwrap();
    let own = clients.issue("the service").unwrap();
    let both = upstream.file("own.pem");
    std::fs::write(&both, format!("{}{}", own.certificate, own.key)).unwrap();
    let place = format!("mongodb://localhost:{}", upstream.front.address().port());
    let ours = upstream.file("ours.pem");
    let url =
        |database: &str| format!("{place}/{database}?tls=true&tlsCAFile={ours}&tlsCertificateKeyFile={both}");
    let program = upstream.program(&[
        ("EVENTSERVICE_DBCONNECTION", &url("events")),
        ("BOOKINGSERVICE_DBCONNECTION", &url("bookings")),
    ]);
    let running = program.start_ready().await.unwrap();
    assert!(upstream.front.connections() > 0);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_is_proven_by_the_authority_that_is_named_and_no_other() {
    let test = "dynamodb_is_proven_by_the_authority_that_is_named_and_no_other";
    let started = Upstream::start(test, Kind::Dynamodb, |place| {
        aws(vec![
            ("DATABASETYPE", "dynamodb".to_owned()),
            ("DBCONNECTION", format!("https://{place}")),
            ("EVENTSERVICE_TABLE_PREFIX", "tls-event-".to_owned()),
            ("BOOKINGSERVICE_TABLE_PREFIX", "tls-booking-".to_owned()),
        ])
    });
    let Some(upstream) = started.await else { return };
    let (ours, others) = (upstream.file("ours.pem"), upstream.file("others.pem"));

    let program = upstream.program(&[("DATABASE_TLS_CA", &ours)]);
    let running = program.start_ready().await.unwrap();
    program.service.new_event("over TLS", 10).await.unwrap();
    running.stop().await.unwrap();

    let shaken = upstream.agreed().await;
    assert!(shaken > 0);
    let plain = format!("http://localhost:{}", upstream.front.address().port());
    let profile = upstream.file("profile");
    let text = format!("[default]\nservices = here\n[services here]\ndynamodb =\n  endpoint_url = {plain}\n");
    std::fs::write(&profile, text).unwrap();
    for (settings, told) in [
        (
            // The system's would do.
            &[
                ("DATABASE_TLS_CA", others.as_str()),
                ("SSL_CERT_FILE", ours.as_str()),
            ][..],
            "by the authorities in database_tls_ca",
        ),
        (&[], "by the authorities in database_tls_ca, or the system's"),
        (
            &[
                ("DATABASE_TLS_CA", ours.as_str()),
                ("DBCONNECTION", plain.as_str()),
            ][..],
            "the endpoint is http",
        ),
        (
            &[
                ("DATABASE_TLS_CA", ours.as_str()),
                ("DBCONNECTION", ""),
                ("AWS_ENDPOINT_URL_DYNAMODB", plain.as_str()),
            ],
            "the endpoint is http",
        ),
        (
            &[
                ("DATABASE_TLS_CA", ours.as_str()),
                ("DBCONNECTION", ""),
                ("AWS_CONFIG_FILE", profile.as_str()),
            ],
            "it has to be https",
        ),
    ] {
        let said = refusal(&upstream.program(settings)).await;
        assert!(said.contains(told), "{told} is not in\n{said}");
    }
    assert_eq!(upstream.agreed().await, shaken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqs_is_proven_by_the_authority_that_is_named_and_no_other() {
    let test = "sqs_is_proven_by_the_authority_that_is_named_and_no_other";
    let started = Upstream::start(test, Kind::Sqs, |place| {
        aws(vec![
            ("MESSAGE_BROKER_TYPE", "sqs".to_owned()),
            ("SQS_QUEUE", "tls.fifo".to_owned()),
            ("SQS_WAIT_TIME", "1s".to_owned()),
            ("AWS_ENDPOINT_URL_SQS", format!("https://{place}")),
        ])
    });
    let Some(upstream) = started.await else { return };
    let (ours, others) = (upstream.file("ours.pem"), upstream.file("others.pem"));

    let program = upstream.program(&[("BROKER_TLS_CA", &ours)]);
    let running = program.start_ready().await.unwrap();
    // Bookable once the message has come through.
    program.service.new_event("over TLS", 10).await.unwrap();
    running.stop().await.unwrap();

    let shaken = upstream.agreed().await;
    assert!(shaken > 0);
    let program = upstream.program(&[("BROKER_TLS_CA", &others), ("SSL_CERT_FILE", &ours)]);
    let running = program.start().unwrap();
    running
        .log_with("by the authorities in broker_tls_ca")
        .await
        .unwrap();
    running.stop().await.unwrap();
    assert_eq!(upstream.agreed().await, shaken);

    let plain = format!("http://localhost:{}", upstream.front.address().port());
    let said =
        refusal(&upstream.program(&[("BROKER_TLS_CA", &ours), ("AWS_ENDPOINT_URL_SQS", &plain)])).await;
    assert!(
        said.contains("broker_tls_ca") && said.contains("the endpoint is http"),
        "{said}"
    );
}

/// A RabbitMQ with a listener for TLS, which asks for a certificate of `clients`.
fn rabbit(
    folder: &std::path::Path,
    ours: &Authority,
    clients: &Authority,
) -> anyhow::Result<Option<(Server, u16)>> {
    let place = folder.join("rabbit");
    std::fs::create_dir(&place)?;
    let (certificate, key) = ours.issue("a broker")?.write(folder, "broker")?;
    let ca = clients.write(folder, "clients")?;
    let port = ports::free(1)?;
    let settings = format!(
        "listeners.ssl.default = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
        ca.display(),
        certificate.display(),
        key.display()
    );
    std::fs::write(place.join("rabbitmq.conf"), settings)?;
    match Server::start_in(Kind::Amqp, &place) {
        Ok(server) => Ok(Some((server, port))),
        Err(error) if error.is::<myevents_servers::NotInstalled>() => {
            myevents_servers::skip::skip("rabbitmq over TLS", &error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_is_proven_by_the_authority_that_is_named_and_proves_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, clients) = (
        Authority::new("ours").unwrap(),
        Authority::new("clients").unwrap(),
    );
    let (place, made) = (
        folder.path().to_owned(),
        ours.write(folder.path(), "ours").unwrap(),
    );
    let others = Authority::new("ours")
        .unwrap()
        .write(folder.path(), "others")
        .unwrap();
    let own = clients
        .issue("the service")
        .unwrap()
        .write(folder.path(), "own")
        .unwrap();
    let starting = tokio::task::spawn_blocking(move || rabbit(&place, &ours, &clients).unwrap());
    let Some((_server, port)) = starting.await.unwrap() else {
        return;
    };
    let settings = [
        ("MESSAGE_BROKER_TYPE".to_owned(), "amqp".to_owned()),
        (
            "AMQP_MESSAGE_BROKER".to_owned(),
            format!("amqps://guest:guest@localhost:{port}"),
        ),
    ];
    let (ca, others) = (path(&made), path(&others));
    let (certificate, key) = (path(&own.0), path(&own.1));
    let identity = [
        ("BROKER_TLS_CERTIFICATE", certificate.as_str()),
        ("BROKER_TLS_KEY", key.as_str()),
    ];
    let with = |more: &[(&str, &str)]| program(&folder, &settings, &[&identity[..], more].concat());

    let good = with(&[("BROKER_TLS_CA", &ca)]);
    let running = good.start_ready().await.unwrap();
    // Bookable once the message has come through.
    good.service.new_event("over TLS", 10).await.unwrap();
    running.stop().await.unwrap();

    // The system's authorities do not know it either.
    for (settings, told) in [
        (
            // The system's would do.
            &[("BROKER_TLS_CA", others.as_str()), ("SSL_CERT_FILE", ca.as_str())][..],
            "by the authorities in broker_tls_ca",
        ),
        (&[], "name its authority by broker_tls_ca"),
    ] {
        let unproven = with(settings);
        let running = unproven.start().unwrap();
        let log = running.log_with(told).await.unwrap();
        assert!(
            !log.contains("connected to RabbitMQ") && !log.contains("guest:guest"),
            "{log}"
        );
        running.stop().await.unwrap();
    }
    let nobody = program(&folder, &settings, &[("BROKER_TLS_CA", &ca)]);
    let running = nobody.start().unwrap();
    let log = running.log_with("RabbitMQ can't be reached").await.unwrap();
    assert!(!log.contains("connected to RabbitMQ"), "{log}");
    let ready = ask(nobody.service.bookings, "GET", "/healthz", None)
        .await
        .unwrap();
    assert_eq!(ready.status, 200, "it serves while the broker is away");
    running.stop().await.unwrap();

    let plain = format!("amqp://guest:guest@localhost:{port}");
    for (settings, told) in [
        (
            &[
                ("BROKER_TLS_CA", ca.as_str()),
                ("AMQP_MESSAGE_BROKER", plain.as_str()),
            ][..],
            "write amqps:// in amqp_message_broker",
        ),
        (
            &[("BROKER_TLS_CA", key.as_str())],
            "there is no `BEGIN CERTIFICATE`",
        ),
        (&[("BROKER_TLS_KEY", ca.as_str())], "broker_tls_key"),
    ] {
        let said = refusal(&with(settings)).await;
        assert!(said.contains(told), "{told} is not in\n{said}");
    }
}
