//! The one table of settings: name, environment names, form, default, help. Reading, checking and the docs follow it.

use std::fmt;

/// Which program reads the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The event service alone.
    EventService,
    /// The booking service alone.
    BookingService,
    /// Both services in one process.
    MyEvents,
}

impl Program {
    /// The executable's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EventService => "eventservice",
            Self::BookingService => "bookingservice",
            Self::MyEvents => "myevents",
        }
    }

    /// The services it runs.
    #[must_use]
    pub fn services(self) -> &'static [ServiceName] {
        match self {
            Self::EventService => &[ServiceName::Event],
            Self::BookingService => &[ServiceName::Booking],
            Self::MyEvents => &[ServiceName::Event, ServiceName::Booking],
        }
    }
}

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceName {
    /// Owns events and locations.
    Event,
    /// Owns bookings and users.
    Booking,
}

impl ServiceName {
    /// The word in files, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "eventservice",
            Self::Booking => "bookingservice",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 to the given bound.
    Number(u64),
    /// A time: a number of seconds, or with its unit (`2s`, `500ms`, `1m`).
    Duration,
    /// `host:port`; an empty host means every address, port 0 a free port, `none` off.
    Address,
    /// Any text.
    Text,
    /// A path of a file or folder.
    Path,
    /// Several texts: a JSON list, or separated by commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// The form in words, for the docs.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Number(_) => "whole number".into(),
            Self::Duration => "time".into(),
            Self::Address => "address".into(),
            Self::Text => "text".into(),
            Self::Path => "path".into(),
            Self::List => "list".into(),
            Self::Choice(words) => words.join(", "),
        }
    }
}

/// What holds where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Not set.
    Unset,
    /// The same everywhere.
    Same(&'static str),
    /// By service: event service, booking service.
    ByService(&'static str, &'static str),
    /// By program: the two service programs, `myevents`.
    ByProgram(&'static str, &'static str),
}

impl Fallback {
    pub(super) fn value(self, program: Program, service: ServiceName) -> Option<&'static str> {
        match self {
            Self::Unset => None,
            Self::Same(value) => Some(value),
            Self::ByService(event, _) if service == ServiceName::Event => Some(event),
            Self::ByService(_, booking) => Some(booking),
            Self::ByProgram(_, both) if program == Program::MyEvents => Some(both),
            Self::ByProgram(alone, _) => Some(alone),
        }
    }
}

/// Where a key may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// By service: in `myevents` also within the objects `eventservice` and `bookingservice`.
    Service,
    /// Once for the process.
    Process,
    /// Once for the process, and only in `myevents`.
    MyEvents,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Environment names beside `MYEVENTS_<KEY>`; the first that is set wins.
    pub aliases: &'static [&'static str],
    /// Its form.
    pub kind: Kind,
    /// What holds where nothing is said.
    pub default: Fallback,
    /// Where it may be set.
    pub scope: Scope,
    /// Whether it can hold a password, which is hidden wherever it is shown.
    pub secret: bool,
    /// What it does.
    pub help: &'static str,
    /// The headline it stands under in the docs.
    pub group: &'static str,
}

impl Key {
    /// The environment name every key has.
    #[must_use]
    pub fn environment(&self) -> String {
        format!("MYEVENTS_{}", env_form(self.name))
    }
}

pub(super) fn env_form(key: &str) -> String {
    key.replace('-', "_").to_ascii_uppercase()
}

/// Finds a key by its name in the file.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

const fn key(
    group: &'static str,
    name: &'static str,
    kind: Kind,
    default: Fallback,
    help: &'static str,
) -> Key {
    Key {
        name,
        aliases: &[],
        kind,
        default,
        scope: Scope::Service,
        secret: false,
        help,
        group,
    }
}

impl Key {
    const fn aliased(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
    const fn process(mut self) -> Self {
        self.scope = Scope::Process;
        self
    }
    const fn only_myevents(mut self) -> Self {
        self.scope = Scope::MyEvents;
        self
    }
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

use Fallback::{ByProgram, ByService, Same, Unset};
use Kind::{Address, Choice, Duration, Flag, List, Number, Path, Text};

const STORE: &str = "Store";
const LISTEN: &str = "Listening";
const BROKER: &str = "Broker";
const MESSAGES: &str = "Messages";
const BOOKING: &str = "Booking";
const MAIL: &str = "Mail";
const LIMITS: &str = "Limits";
const ACCESS: &str = "Access";
const PROCESS: &str = "Process";
const TRACES: &str = "Traces";

/// The words for stores.
pub(super) const DATABASE_TYPES: &[&str] = &["sqlite", "memory", "mongodb", "dynamodb"];
/// The words for brokers.
pub(super) const BROKER_TYPES: &[&str] = &["local", "amqp", "kafka", "sqs"];

/// The words for samplers, those of OpenTelemetry's `OTEL_TRACES_SAMPLER`.
pub(super) const SAMPLERS: &[&str] = &[
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
    "always_on",
    "always_off",
    "traceidratio",
];

/// Every setting, in the order of the docs.
pub static KEYS: &[Key] = &[
    key(STORE, "databasetype", Choice(DATABASE_TYPES), Same("sqlite"), "Where records are kept. `memory` keeps nothing over a restart. `MONGO_URL` sets `mongodb` and its URL."),
    key(STORE, "dbconnection", Text, Unset, "The store's file or URL. By type: `sqlite` a file, `eventservice.db` or `bookingservice.db` (in `myevents` within `data`); `mongodb` a URL, `mongodb://127.0.0.1`; `dynamodb` an endpoint such as `http://localhost:8000`, else that of the region in the AWS SDK's own variables.").aliased(&["MONGO_URL"]).secret(),
    key(STORE, "create_tables", Flag, Same("true"), "Make tables (`dynamodb`) and indexes (`dynamodb`, `mongodb`) that are not there."),
    key(STORE, "table_prefix", Text, ByService("", "booking-"), "Put before the names of tables (`dynamodb`)."),
    key(STORE, "database_tls_ca", Path, Unset, "A PEM file with the authorities of the store's certificate; no others are trusted then (`mongodb`, which it makes speak TLS, and `dynamodb` at an `https` endpoint). See [tls.md](tls.md)."),
    key(STORE, "data", Path, Same("./myevents-data"), "The folder of the SQLite files.").only_myevents(),
    key(LISTEN, "listen", Address, Same("127.0.0.1:8080"), "The page, the docs and both APIs on one origin.").only_myevents(),
    key(LISTEN, "page_config", Path, Unset, "A JSON file laid over the page's `config.json`: name, colour, logo, addresses of the services. See [page.md](page.md).").only_myevents(),
    key(LISTEN, "page_client_id", Text, Unset, "What the page is called at the identity provider: with it people sign in on the page. Needs `auth` = `jwt`. See [sign-in.md](sign-in.md#the-page).").only_myevents(),
    key(LISTEN, "page_issuer", Text, Unset, "The identity provider that the page sends people to, where it is not `auth_issuer`.").only_myevents(),
    key(LISTEN, "page_scopes", List, Same("openid,profile,bookings:write"), "What the page asks for. Organisers need `events:write`, and `bookings:admin` for lists of bookings; ask for those only where the provider ties them to people.").only_myevents(),
    key(LISTEN, "page_audience", Text, Unset, "Sent along as `audience`, which Auth0 needs: the API's identifier.").only_myevents(),
    key(LISTEN, "page_resource", Text, Unset, "Sent along as `resource` (RFC 8707), where the provider wants to hear which service the token is for.").only_myevents(),
    key(LISTEN, "page_origins", List, Unset, "Further origins that the page may ask: those of the provider's addresses that are not on the issuer's own, such as `https://tokens.example`.").only_myevents(),
    key(LISTEN, "restfulapi_endpoint", Address, ByService("localhost:8181", "localhost:8282"), "Where the service's API listens. `myevents` does not read `LISTEN_URL`, which could mean either service.").aliased(&["LISTEN_URL"]),
    key(LISTEN, "restfulapi-tlsendpoint", Address, ByService("localhost:9191", "localhost:9292"), "Where the service's API listens for HTTPS once certificate and key are given. `myevents` does not read `TLS_LISTEN_URL`.").aliased(&["TLS_LISTEN_URL"]),
    key(LISTEN, "tls_certificate", Path, Unset, "The certificate chain, PEM. See [tls.md](tls.md)."),
    key(LISTEN, "tls_key", Path, Unset, "The certificate's private key, PEM."),
    key(LISTEN, "tls_client_ca", Path, Unset, "A PEM file with the authorities of clients' certificates: HTTPS then asks clients for one, and refuses one of another authority."),
    key(LISTEN, "tls_client_auth", Choice(&["required", "optional"]), Same("required"), "Whether a client that shows no certificate is refused, where `tls_client_ca` is set."),
    key(LISTEN, "tls_reload", Duration, Same("10s"), "How often the files of HTTPS are looked at: what changed holds for new connections, what can't be used is left out. 0 = they are read at the start only."),
    key(LISTEN, "metrics_endpoint", Address, ByService("localhost:9100", "localhost:9101"), "Where `GET /metrics` listens, never on the API's port. `myevents` has one, that of the event service.").aliased(&["METRICS_URL"]).process(),
    key(LISTEN, "metrics_max_label_values", Number(1_000_000), Same("1000"), "How many events get a label of their own in metrics; the rest is counted under `other`.").process(),
    key(BROKER, "message_broker_type", Choice(BROKER_TYPES), ByProgram("amqp", "local"), "What carries messages. `local` joins services inside one process only. Set by the URLs of the brokers below too: with several the order `amqp`, `kafka`, `sqs` decides.").process(),
    key(BROKER, "broker_tls_ca", Path, Unset, "A PEM file with the authorities of the broker's certificate; no others are trusted then, and an address without TLS is refused (`amqp`, `sqs`, with feature `kafka-tls` `kafka`). See [tls.md](tls.md)."),
    key(BROKER, "broker_tls_certificate", Path, Unset, "The certificate chain that the service shows to the broker, PEM (`amqp`, with feature `kafka-tls` `kafka`)."),
    key(BROKER, "broker_tls_key", Path, Unset, "Its private key, PEM."),
    key(BROKER, "amqp_message_broker", List, Same("amqp://guest:guest@localhost:5672"), "AMQP brokers, tried in turn.").aliased(&["AMQP_BROKER_URL", "AMQP_URL"]).secret(),
    key(BROKER, "amqp_queue", Text, Same("booking"), "The service's queue."),
    key(BROKER, "amqp_queue_type", Choice(&["quorum", "classic"]), Same("quorum"), "How the queue is declared; `classic` is what the original's queue is."),
    key(BROKER, "kafka_message_brokers", List, Same("localhost:9092"), "Kafka brokers, `host:port` each; `ssl://host:port` over TLS, with feature `kafka-tls`.").aliased(&["KAFKA_BROKER_URLS", "KAFKA_BROKERS"]),
    key(BROKER, "kafka_topic", Text, Same("events"), "The topic of all messages."),
    key(BROKER, "kafka_group", Text, ByService("eventservice", "bookingservice"), "The consumer group."),
    key(BROKER, "kafka_partitions", Number(100_000), Same("12"), "How many partitions a topic gets that has to be made."),
    key(BROKER, "sqs_queue", Text, Same("events"), "The service's queue; a name that ends in `.fifo` is a FIFO queue, which keeps order. Region, credentials and endpoint come from the AWS SDK's own variables.").aliased(&["SQS_QUEUE"]),
    key(BROKER, "sqs_destinations", List, Unset, "The queues that messages are sent to, one for each service that listens; without them `sqs_queue`."),
    key(BROKER, "sqs_topic", Text, Unset, "An SNS topic that messages are published to instead; the services' queues are subscribed to it."),
    key(BROKER, "sqs_create_queues", Flag, Same("true"), "Make queues, and the topic, that are not there."),
    key(BROKER, "sqs_policy_wait", Duration, Same("60s"), "How long a queue's new policy is waited for before the queue is subscribed to the topic."),
    key(BROKER, "sqs_max_messages", Number(10), Same("10"), "Messages a receive."),
    key(BROKER, "sqs_wait_time", Duration, Same("20s"), "How long a receive waits."),
    key(BROKER, "sqs_visibility_timeout", Duration, Same("30s"), "How long a received message stays hidden from others."),
    key(MESSAGES, "legacy_event_names", Flag, Same("false"), "Send `eventCreated`, `locationCreated` and `eventBooked`, as the original services do."),
    key(MESSAGES, "required_names", List, Same("event.created,event.updated,event.cancelled"), "Messages that need a subscriber: without one they stay in the outbox. None with `legacy_event_names`."),
    key(MESSAGES, "max_message_bytes", Number(1_000_000_000), Same("204800"), "The largest body of a message, in bytes, if the broker takes as much (184320 before an SNS topic)."),
    key(MESSAGES, "max_attempts", Number(1_000), Same("5"), "How often a message is tried before it is a dead letter."),
    key(MESSAGES, "handler_timeout", Duration, Same("30s"), "How long a handler may take."),
    key(BOOKING, "unknown_capacity", Choice(&["refuse", "allow"]), Same("refuse"), "What to do with bookings of an event whose capacity is not known."),
    key(BOOKING, "refuse_past_events", Flag, Same("false"), "Refuse bookings of events that have ended."),
    key(BOOKING, "max_seats_per_booking", Number(1_000_000), Same("20"), "The most seats of one booking, where the event says nothing else."),
    key(BOOKING, "desk_wait", Duration, Same("2s"), "How long a booking may wait for its turn before it is answered 503."),
    key(MAIL, "smtp_url", Text, Unset, "The mail server by which the booking service mails holders: `smtps://host` (TLS), `starttls://host` or `smtp://host` (no TLS), with `:port` where it is not 465, 587 or 25. Without it nobody is mailed. Needs a program with feature `smtp`. See [mail.md](mail.md)."),
    key(MAIL, "smtp_user", Text, Unset, "Who signs in at the mail server."),
    key(MAIL, "smtp_password_file", Path, Unset, "The file with the password."),
    key(MAIL, "smtp_tls_ca", Path, Unset, "A PEM file with the authorities of the mail server's certificate; no others are trusted then."),
    key(MAIL, "smtp_from", Text, Unset, "Who mails come from: an address, or `Name <address>`."),
    key(MAIL, "smtp_connections", Number(100), Same("4"), "The most connections to the mail server."),
    key(MAIL, "mail_language", Choice(&["en", "de"]), Same("en"), "The language of mails."),
    key(MAIL, "public_url", Text, Unset, "Where people reach the page, such as `https://tickets.example.org`: mails link to the ticket there."),
    key(LIMITS, "request_timeout", Duration, Same("10s"), "How long a request may take."),
    key(LIMITS, "shutdown_timeout", Duration, Same("20s"), "How long a stop may take.").process(),
    key(LIMITS, "header_timeout", Duration, Same("20s"), "How long a client may take to send a request's head, and how long a connection may be idle.").process(),
    key(LIMITS, "body_timeout", Duration, Same("15s"), "How long a client may take to send a request's body.").process(),
    key(LIMITS, "tls_handshake_timeout", Duration, Same("10s"), "How long a client may take from its connection to the end of the TLS handshake.").process(),
    key(LIMITS, "max_tls_handshakes", Number(1_000_000), Same("10000"), "TLS handshakes at once a listener, from a client's greeting on; further ones wait within their time.").process(),
    key(LIMITS, "max_connections", Number(10_000_000), Same("20000"), "Open connections a listener; further ones wait. Bounded by the limit of open files.").process(),
    key(LIMITS, "max_connections_active", Number(10_000_000), Same("500"), "Connections of a listener with requests that are worked on at once; further ones wait with theirs unread, the newest first, and are refused once they waited for long, see [limits.md](limits.md#how-much-at-once).").process(),
    key(LIMITS, "max_connections_address", Number(10_000_000), Same("0"), "Open connections of one address (IPv6 by its first 64 bits) a listener; a further one is closed at once. 0 = no bound, as behind a proxy all are the proxy's.").process(),
    key(LIMITS, "max_requests", Number(1_000_000), Same("10000"), "Requests in flight, of all connections of the process; a further one is answered 503 at once. Health, documents and the page are not counted.").process(),
    key(LIMITS, "rate_limit_address", Number(1_000_000), Same("0"), "How many requests a second one address may send in the long run; 0 = no bound. Behind a proxy set `trusted_proxies` too, see [limits.md](limits.md).").process(),
    key(LIMITS, "rate_limit_address_burst", Number(1_000_000), Same("0"), "How many of them at once after a rest; 0 = those of ten seconds.").process(),
    key(LIMITS, "rate_limit_caller", Number(1_000_000), Same("100"), "How many requests a second one signed-in caller may send in the long run; 0 = no bound. Without effect with `auth` = `none`.").process(),
    key(LIMITS, "rate_limit_caller_burst", Number(1_000_000), Same("0"), "How many of them at once after a rest; 0 = those of ten seconds.").process(),
    key(LIMITS, "trusted_proxies", List, Unset, "Proxies whose word on a client's address is taken: addresses, networks such as `10.0.0.0/8`, `loopback`, `private`.").process(),
    key(LIMITS, "forwarded_header", Choice(&["x-forwarded-for", "forwarded"]), Same("x-forwarded-for"), "The header that they write. The other one is not read.").process(),
    key(ACCESS, "cors_origins", List, Same("*"), "Origins whose pages may call the API; `*` = all."),
    key(ACCESS, "auth", Choice(&["none", "jwt"]), Same("none"), "Who may write. With `none` only loopback addresses are listened on, unless `allow_anonymous` is set. With `jwt` callers sign in by tokens, see [sign-in.md](sign-in.md)."),
    key(ACCESS, "auth_issuer", Text, Unset, "Who makes the tokens, exactly as they say in `iss`. Without `auth_jwks` and `auth_public_key` its keys are found by `<issuer>/.well-known/openid-configuration`."),
    key(ACCESS, "auth_audience", List, Unset, "What tokens have to name in `aud`: one of these."),
    key(ACCESS, "auth_jwks", Text, Unset, "The issuer's public keys: a file with a JSON Web Key Set, or its URL (`https`, or `http` on this machine)."),
    key(ACCESS, "auth_public_key", Path, Unset, "Instead: a PEM file with the issuer's public keys (`BEGIN PUBLIC KEY`)."),
    key(ACCESS, "auth_refresh_pause", Duration, Same("5s"), "The least time between two tries to read the issuer's keys."),
    key(ACCESS, "auth_leeway", Duration, Same("60s"), "By how much the clocks of issuer and service may differ; at most 10 minutes."),
    key(ACCESS, "auth_scope_claim", List, Same("scope,scp"), "The claims that hold scopes: text with spaces between words, or a list."),
    key(ACCESS, "allow_anonymous", Flag, Same("false"), "Listen on other than loopback addresses with `auth` = `none`: everybody who reaches the port may write.").aliased(&["ALLOW_ANONYMOUS"]),
    key(ACCESS, "organiser_open", Flag, Same("false"), "Show the organiser's lists, with names and addresses, and the audit logs to everybody who reaches the port. Without it they are shown on loopback addresses only, and not through a proxy: see [threat-model.md](threat-model.md#without-sign-in-auth--none). Without effect with `auth` = `jwt`."),
    key(PROCESS, "log", Text, Same("info"), "What is logged: a level, or directives such as `info,myevents_core=debug`.").aliased(&["RUST_LOG"]).process(),
    key(PROCESS, "log_format", Choice(&["auto", "text", "json"]), Same("auto"), "`auto` writes text on a terminal and JSON elsewhere.").process(),
    key(PROCESS, "worker_threads", Number(1_024), Same("0"), "Threads for requests, and as many for the work behind them; 0 = one a core, four at most.").process(),
    key(TRACES, "otel_endpoint", Text, Unset, "The collector that spans are sent to, as OTLP over HTTP: a URL such as `http://collector:4318`, to which `/v1/traces` is added. Nothing is sent without it, nor by a program without feature `otel`. See [observability.md](observability.md).").aliased(&["OTEL_EXPORTER_OTLP_ENDPOINT"]).process().secret(),
    key(TRACES, "otel_service_name", Text, Unset, "What the collector calls this process; the program's name where nothing is said.").aliased(&["OTEL_SERVICE_NAME"]).process(),
    key(TRACES, "otel_traces_sampler", Choice(SAMPLERS), Same("parentbased_always_on"), "Which traces are sent. `parentbased_…` goes by what the caller decided and decides itself only where no trace came along.").aliased(&["OTEL_TRACES_SAMPLER"]).process(),
    key(TRACES, "otel_traces_sampler_arg", Text, Same("1"), "The share of traces for the samplers with `traceidratio`, 0 to 1.").aliased(&["OTEL_TRACES_SAMPLER_ARG"]).process(),
];
