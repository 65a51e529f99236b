//! The settings as the programs use them: parsed, checked against each other, with their origins for `check-config`.

use std::path::PathBuf;
use std::time::Duration;

use super::auth;
use super::keys::{self, Key, Program, Scope, ServiceName};
use super::layers::{ConfigFaults, Fault, Inputs, Layers, Merged};
use super::limits;
use super::mail::{self, MailSettings};
use super::otel::{self, OtelSettings};
use super::page::{self, PageSignIn};
use super::tls::{self, TlsFiles, Trust};
use super::value::{ListenAddress, Secret, redact};
use super::values::{Values, as_text, check};
use super::warnings;
use crate::contract::MessageName;
use crate::ports::UnknownCapacity;
use crate::rest::{AdmissionOptions, JwtOptions};

/// What each broker takes from the settings; only that of [`Settings::broker`] is used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BrokerSettings {
    /// Whom the broker is proven by over TLS, and how the service proves itself.
    pub trust: Trust,
    /// AMQP: URLs, tried in turn.
    pub amqp_urls: Vec<Secret>,
    /// AMQP: the service's queue.
    pub amqp_queue: String,
    /// AMQP: `quorum` or `classic`.
    pub amqp_queue_type: String,
    /// Kafka: where brokers are.
    pub kafka_brokers: Vec<String>,
    /// Kafka: the topic of all messages.
    pub kafka_topic: String,
    /// Kafka: the consumer group.
    pub kafka_group: String,
    /// Kafka: partitions of a topic that has to be made.
    pub kafka_partitions: u32,
    /// SQS: the queue.
    pub sqs_queue: String,
    /// SQS: the queues that messages are sent to; empty = the service's queue.
    pub sqs_destinations: Vec<String>,
    /// SNS: the topic that messages are published to instead; empty = none.
    pub sqs_topic: String,
    /// SQS: whether queues and topic that are not there are made.
    pub sqs_create_queues: bool,
    /// SNS: how long a queue's new policy is waited for before the queue is subscribed.
    pub sqs_policy_wait: Duration,
    /// SQS: messages a receive.
    pub sqs_max_messages: u32,
    /// SQS: how long a receive waits.
    pub sqs_wait_time: Duration,
    /// SQS: how long a received message stays hidden from others.
    pub sqs_visibility_timeout: Duration,
}

impl BrokerSettings {
    fn read(values: &mut Values<'_>) -> Self {
        Self {
            trust: tls::broker(values),
            amqp_urls: values
                .list("amqp_message_broker")
                .into_iter()
                .map(Secret::new)
                .collect(),
            amqp_queue: values.text("amqp_queue"),
            amqp_queue_type: values.text("amqp_queue_type"),
            kafka_brokers: values.list("kafka_message_brokers"),
            kafka_topic: values.text("kafka_topic"),
            kafka_group: values.text("kafka_group"),
            kafka_partitions: values.count("kafka_partitions"),
            sqs_queue: values.text("sqs_queue"),
            sqs_destinations: values.list("sqs_destinations"),
            sqs_topic: values.text("sqs_topic"),
            sqs_create_queues: values.flag("sqs_create_queues"),
            sqs_policy_wait: values.duration("sqs_policy_wait"),
            sqs_max_messages: values.count("sqs_max_messages"),
            sqs_wait_time: values.duration("sqs_wait_time"),
            sqs_visibility_timeout: values.duration("sqs_visibility_timeout"),
        }
    }
}

/// The settings of one service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// Whose they are.
    pub service: ServiceName,
    /// The store's word: `sqlite`, `memory`, `mongodb`, `dynamodb`.
    pub database: String,
    /// Its file or URL, if one is said.
    pub connection: Option<Secret>,
    /// The authorities of the store's certificate, PEM, and no others; `None` = those of the backend's default.
    pub database_ca: Option<PathBuf>,
    /// Whether tables are made.
    pub create_tables: bool,
    /// Put before table names.
    pub table_prefix: String,
    /// What the broker needs.
    pub broker: BrokerSettings,
    /// Where HTTP listens; `None` = off.
    pub listen: Option<ListenAddress>,
    /// Where HTTPS listens; `None` = off.
    pub tls_listen: Option<ListenAddress>,
    /// The files of HTTPS, if given.
    pub tls: Option<TlsFiles>,
    /// Whether the old names are sent.
    pub legacy_event_names: bool,
    /// Messages that need a subscriber.
    pub required_names: Vec<MessageName>,
    /// The largest body of a message in bytes.
    pub max_message_bytes: usize,
    /// Tries before the dead letters.
    pub max_attempts: u32,
    /// How long a handler may take.
    pub handler_timeout: Duration,
    /// Bookings of an event whose capacity is unknown.
    pub unknown_capacity: UnknownCapacity,
    /// Bookings of events that have ended.
    pub refuse_past_events: bool,
    /// Seats of one booking.
    pub max_seats_per_booking: u32,
    /// How long a booking waits for its turn.
    pub desk_wait: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Origins whose pages may call; `*` = all.
    pub cors_origins: Vec<String>,
    /// Which tokens sign callers in; `None` = nobody signs in.
    pub auth: Option<JwtOptions>,
    /// Whether everybody may write who reaches an address that is not of this machine alone.
    pub allow_anonymous: bool,
    /// Whether the organiser's lists are open whatever is listened on.
    pub organiser_open: bool,
    /// How holders are mailed; `None` = they are not.
    pub mail: Option<MailSettings>,
}

/// The settings of a program.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Whose they are.
    pub program: Program,
    /// Those of its services.
    pub services: Vec<ServiceSettings>,
    /// The page, docs and both APIs on one origin (`myevents`); `None` = off.
    pub listen: Option<ListenAddress>,
    /// The folder of the SQLite files (`myevents`).
    pub data: Option<PathBuf>,
    /// Laid over the page's `config.json` (`myevents`).
    pub page_config: Option<PathBuf>,
    /// How people sign in on the page (`myevents`); `None` = they can't.
    pub page_sign_in: Option<PageSignIn>,
    /// Where metrics listen; `None` = off.
    pub metrics: Option<ListenAddress>,
    /// Events with a label of their own.
    pub metrics_max_label_values: usize,
    /// The broker's word: `local`, `amqp`, `kafka`, `sqs`.
    pub broker: String,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// How long a request's head may take, and a connection be idle.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// TLS handshakes at once a listener.
    pub max_tls_handshakes: usize,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// Open connections a listener.
    pub max_connections: usize,
    /// Of these, worked on at once.
    pub max_connections_active: usize,
    /// Open connections of one address; 0 = no bound.
    pub max_connections_address: usize,
    /// Who is let in, and how often.
    pub admission: AdmissionOptions,
    /// Requests in flight in all.
    pub max_requests: usize,
    /// Level or directives of the log.
    pub log: String,
    /// `auto`, `text` or `json`.
    pub log_format: String,
    /// Threads for requests; 0 = by the machine.
    pub worker_threads: usize,
    /// Where spans are sent.
    pub otel: OtelSettings,
    /// What is odd, but no fault.
    pub warnings: Vec<String>,
    /// Every key in force: service (`None` = all), key, value with passwords hidden, origin.
    pub in_force: Vec<InForce>,
}

/// One key in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// For this service only, because the services differ.
    pub service: Option<ServiceName>,
    /// The key.
    pub key: &'static str,
    /// Its value, passwords hidden.
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

impl Settings {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// All faults at once: unknown keys, values that do not parse, and combinations that can't be.
    pub fn load(inputs: &Inputs) -> Result<Self, ConfigFaults> {
        let layers = Layers::read(inputs);
        let mut faults = layers.faults;
        let program = inputs.program;
        let mut services = Vec::new();
        for (service, merged) in &layers.merged {
            let mut values = Values {
                merged,
                faults: &mut faults,
            };
            services.push(service_settings(&mut values, *service));
        }
        let mut values = Values {
            merged: &layers.merged[0].1,
            faults: &mut faults,
        };
        let both = program == Program::MyEvents;
        let mut settings = Self {
            program,
            services,
            listen: if both { values.address("listen") } else { None },
            data: if both { values.path("data") } else { None },
            page_config: if both { values.path("page_config") } else { None },
            page_sign_in: if both { page::read(&mut values) } else { None },
            metrics: values.address("metrics_endpoint"),
            metrics_max_label_values: values.number("metrics_max_label_values"),
            broker: values.text("message_broker_type"),
            shutdown_timeout: values.duration("shutdown_timeout"),
            header_timeout: values.duration("header_timeout"),
            tls_handshake_timeout: values.duration("tls_handshake_timeout"),
            max_tls_handshakes: values
                .count("max_tls_handshakes")
                .try_into()
                .unwrap_or(usize::MAX),
            body_timeout: values.duration("body_timeout"),
            max_connections: values.number("max_connections"),
            max_connections_active: values.number("max_connections_active"),
            max_connections_address: values.number("max_connections_address"),
            admission: limits::read(&mut values),
            max_requests: values.count("max_requests").try_into().unwrap_or(usize::MAX),
            log: values.text("log"),
            log_format: values.text("log_format"),
            worker_threads: values.number("worker_threads"),
            otel: otel::read(&mut values),
            warnings: layers.warnings,
            in_force: in_force(&layers.merged, program),
        };
        settings.check(&layers.merged, &mut faults);
        warnings::add(&mut settings);
        if faults.is_empty() {
            return Ok(settings);
        }
        // What both services read is found wrong twice.
        let mut once: Vec<Fault> = Vec::new();
        for fault in faults {
            if !once.contains(&fault) {
                once.push(fault);
            }
        }
        Err(ConfigFaults(once))
    }

    /// The settings of a service of this program.
    #[must_use]
    pub fn service(&self, service: ServiceName) -> Option<&ServiceSettings> {
        self.services.iter().find(|settings| settings.service == service)
    }

    /// Every address of the APIs.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenAddress> {
        let own = self.services.iter().flat_map(ServiceSettings::listeners);
        self.listen.iter().chain(own)
    }

    fn check(&self, merged: &[(ServiceName, Merged)], faults: &mut Vec<Fault>) {
        let values = &merged[0].1;
        let mut fault = |key: &str, message: String| {
            faults.push(Fault {
                key: key.to_owned(),
                source: values.origin(key),
                message,
            });
        };
        if self.program != Program::MyEvents && self.broker == "local" {
            let reason =
                "`local` joins services inside one process only; run `myevents`, or name amqp, kafka or sqs";
            fault("message_broker_type", reason.into());
        }
        let unguarded = self
            .services
            .iter()
            .filter(|service| service.auth.is_none() && !service.allow_anonymous);
        for service in unguarded {
            let open = self.listen.iter().chain(service.listeners());
            for address in open.filter(|address| !address.is_loopback()) {
                fault(
                    "allow_anonymous",
                    format!(
                        "with auth none everybody who reaches {address} may write: set auth to jwt, listen on a \
                         loopback address such as 127.0.0.1:{}, or set allow_anonymous to true",
                        address.port
                    ),
                );
            }
        }
        if let [event, booking] = self.services.as_slice() {
            for (key, one, other) in [
                ("restfulapi_endpoint", &event.listen, &booking.listen),
                ("restfulapi-tlsendpoint", &event.tls_listen, &booking.tls_listen),
            ] {
                if one.is_some() && one == other && one.as_ref().is_some_and(|address| address.port != 0) {
                    fault(key, "is the same address for both services; set it within `eventservice` and `bookingservice`".into());
                }
            }
            if event.database == "sqlite"
                && event.connection.is_some()
                && event.connection == booking.connection
                && booking.database == "sqlite"
            {
                fault(
                    "dbconnection",
                    "is the same file for both services; set it within `eventservice` and `bookingservice`"
                        .into(),
                );
            }
        }
    }
}

fn service_settings(values: &mut Values<'_>, service: ServiceName) -> ServiceSettings {
    let legacy_event_names = values.flag("legacy_event_names");
    ServiceSettings {
        service,
        database: values.text("databasetype"),
        connection: values.optional("dbconnection").map(Secret::new),
        database_ca: values.path("database_tls_ca"),
        create_tables: values.flag("create_tables"),
        table_prefix: values.text("table_prefix"),
        broker: BrokerSettings::read(values),
        listen: values.address("restfulapi_endpoint"),
        tls_listen: values.address("restfulapi-tlsendpoint"),
        tls: tls::listener(values),
        required_names: values.names("required_names", legacy_event_names),
        legacy_event_names,
        max_message_bytes: values.number("max_message_bytes"),
        max_attempts: values.count("max_attempts"),
        handler_timeout: values.duration("handler_timeout"),
        unknown_capacity: match values.text("unknown_capacity").as_str() {
            "allow" => UnknownCapacity::Allow,
            _ => UnknownCapacity::Refuse,
        },
        refuse_past_events: values.flag("refuse_past_events"),
        max_seats_per_booking: values.count("max_seats_per_booking"),
        desk_wait: values.duration("desk_wait"),
        request_timeout: values.duration("request_timeout"),
        cors_origins: values.list("cors_origins"),
        auth: auth::read(values),
        allow_anonymous: values.flag("allow_anonymous"),
        organiser_open: values.flag("organiser_open"),
        mail: mail::read(values),
    }
    .checked(values)
}

impl ServiceSettings {
    /// The service's own addresses.
    fn listeners(&self) -> impl Iterator<Item = &ListenAddress> {
        let tls = self.tls_listen.as_ref().filter(|_| self.tls.is_some());
        self.listen.iter().chain(tls)
    }

    /// Reads what only some backends use, so that a wrong value is told whatever backend is in force.
    fn checked(self, values: &mut Values<'_>) -> Self {
        for key in keys::KEYS.iter().filter(|key| key.scope == Scope::Service) {
            let told = values.faults.iter().any(|fault| fault.key == key.name);
            if !told
                && let Some(text) = values.optional(key.name)
                && let Err(message) = check(key, &text)
            {
                values.fault(key.name, message);
            }
        }
        self
    }
}

fn in_force(merged: &[(ServiceName, Merged)], program: Program) -> Vec<InForce> {
    let shown = |merged: &Merged, key: &Key| {
        let text = as_text(merged.get(key.name)?).unwrap_or_default();
        Some((
            if key.secret { redact(&text) } else { text },
            merged.origin(key.name),
        ))
    };
    let mut all = Vec::new();
    for key in keys::KEYS {
        if key.scope == Scope::MyEvents && program != Program::MyEvents {
            continue;
        }
        let values: Vec<_> = merged
            .iter()
            .map(|(service, merged)| (*service, shown(merged, key)))
            .collect();
        let same = values.windows(2).all(|pair| pair[0].1 == pair[1].1) || key.scope != Scope::Service;
        let count = if same { 1 } else { values.len() };
        for (service, value) in values.into_iter().take(count) {
            let (value, origin) = value.unwrap_or_else(|| ("(not set)".into(), "default".into()));
            all.push(InForce {
                service: (!same).then_some(service),
                key: key.name,
                value,
                origin,
            });
        }
    }
    all
}
