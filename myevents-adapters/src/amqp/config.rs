//! Where RabbitMQ is, which exchange and queues are ours, and how long things may take.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::types::ShortString;
use lapin::uri::{AMQPScheme, AMQPUri};
use myevents_core::contract::MessageName;
use myevents_core::local::default_required_names;
use myevents_core::{Error, ErrorKind, Result};

use super::secure::Secure;
use crate::connect::{BrokerOptions, BrokerTls};

/// The kind of queue that is made where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// Replicated, and it counts deliveries.
    #[default]
    Quorum,
    /// As the original services declare theirs: durable, without arguments.
    Classic,
}

impl FromStr for QueueType {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "quorum" => Ok(Self::Quorum),
            "classic" => Ok(Self::Classic),
            _ => Err(config_error("amqp_queue_type is `quorum` or `classic`")),
        }
    }
}

/// The address of a broker, with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl(AMQPUri);

impl AmqpUrl {
    /// Reads `amqp://user:password@host:port/vhost`; all but the host may be left out. `amqps` is AMQP over TLS.
    ///
    /// # Errors
    /// `Config`, without the URL in it, which may hold a password.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = || config_error("an address of RabbitMQ looks like amqp://user:password@host:5672/vhost");
        let mut uri: AMQPUri = url.trim().parse().map_err(|_| wrong())?;
        // The parser knows names only, and takes an IPv6 address for a missing one.
        let authority = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if let Some((address, _)) = host.strip_prefix('[').and_then(|address| address.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        if uri.vhost.is_empty() {
            // `amqp://host/` means the same as `amqp://host` to most clients.
            uri.vhost = "/".to_owned();
        }
        short(&uri.vhost).map_err(|_| wrong())?;
        Ok(Self(uri))
    }

    /// What the client connects with: the heartbeat is ours unless the URL has one.
    pub(super) fn to_connect(&self, heartbeat: Duration) -> AMQPUri {
        let mut uri = self.0.clone();
        let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        uri.query.heartbeat.get_or_insert(seconds);
        uri
    }

    /// Whether it is AMQP over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    /// For people: host, port and virtual host, no user and no password.
    pub(super) fn place(&self) -> String {
        let AMQPUri { authority, vhost, .. } = &self.0;
        format!(
            "{}:{}{}",
            authority.host,
            authority.port,
            match vhost.as_str() {
                "/" => String::new(),
                other => format!("/{other}"),
            }
        )
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// How to use a RabbitMQ. Start from [`AmqpConfig::new`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AmqpConfig {
    /// Where it is; tried in turn. Empty only with connections of the caller's own.
    pub urls: Vec<AmqpUrl>,
    /// Whom `amqps` is proven by. With an authority every address has to be `amqps`.
    pub tls: BrokerTls,
    /// Whose messages are carried: the name in connections and consumer tags, and the group that owns [`queue`](Self::queue).
    pub service: String,
    /// The topic exchange; made durable and without arguments where none is.
    pub exchange: String,
    /// The queue of the group named as the service; another group's queue is `<queue>.<group>`.
    pub queue: String,
    /// What a queue is made as where none is. One that is there is taken as it is.
    pub queue_type: QueueType,
    /// Whether exchange and queues are made where they are not. Otherwise using them is an error until somebody does.
    pub create: bool,
    /// Names that need a queue: without one they are `Unroutable`. Any other message that no queue takes is gone.
    pub required_names: Vec<MessageName>,
    /// The largest body in bytes that is published.
    pub max_message_bytes: usize,
    /// Whether the original services' spelling of names is sent.
    pub legacy_names: bool,
    /// A connection that is silent for twice this long is given up. Whole seconds; a `heartbeat` in the URL wins.
    pub heartbeat: Duration,
    /// How long connecting to one address may take.
    pub connect_timeout: Duration,
    /// How long a publish waits for a connection that takes messages, before it is `Unavailable`.
    pub publish_wait: Duration,
    /// How long a published message waits for its confirm, before it is `OutcomeUnknown`.
    pub confirm_timeout: Duration,
    /// How long any other question to the broker may take.
    pub answer_timeout: Duration,
    /// How long closing waits for open publishes, and then for the broker's goodbye.
    pub close_timeout: Duration,
    /// The first and the longest wait between two tries to connect; it doubles.
    pub reconnect: (Duration, Duration),
    /// The most channels that publish at once. Each takes what is queued, and then the next.
    pub publish_channels: usize,
    /// How often a quorum queue of ours hands out one message before it gives it to the dead letters by itself. A net
    /// only, as it counts lost connections too: at least 100.
    pub delivery_limit: u32,
    /// After how long the broker takes an unsettled delivery for lost, its `consumer_timeout`. Deliveries are given back
    /// before.
    pub consumer_timeout: Duration,
}

/// The least [`AmqpConfig::delivery_limit`].
pub(super) const LEAST_DELIVERY_LIMIT: u32 = 100;

impl AmqpConfig {
    /// The settings of a service with these addresses and this queue, everything else as the docs say.
    #[must_use]
    pub fn new(urls: Vec<AmqpUrl>, service: impl Into<String>, queue: impl Into<String>) -> Self {
        Self {
            urls,
            tls: BrokerTls::default(),
            service: service.into(),
            exchange: "events".to_owned(),
            queue: queue.into(),
            queue_type: QueueType::default(),
            create: true,
            required_names: default_required_names(),
            max_message_bytes: 204_800,
            legacy_names: false,
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            publish_wait: Duration::from_secs(2),
            confirm_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(3),
            reconnect: (Duration::from_millis(100), Duration::from_secs(4)),
            publish_channels: 8,
            delivery_limit: 250,
            consumer_timeout: Duration::from_secs(30 * 60),
        }
    }

    pub(super) fn from_options(options: &BrokerOptions) -> Result<Self> {
        let urls = options.amqp.urls.iter().map(|url| AmqpUrl::parse(url));
        let config = Self {
            tls: options.tls.clone(),
            queue_type: options.amqp.queue_type.parse()?,
            required_names: options.required_names.clone(),
            max_message_bytes: options.max_message_bytes,
            legacy_names: options.legacy_names,
            ..Self::new(
                urls.collect::<Result<_>>()?,
                options.service.clone(),
                options.amqp.queue.clone(),
            )
        };
        config.check()?;
        if config.urls.is_empty() {
            return Err(config_error("no address of RabbitMQ is given"));
        }
        Ok(config)
    }

    /// # Errors
    /// `Config` for a name that AMQP can't carry, or a limit that would drop messages of a service that restarts often.
    pub(super) fn check(&self) -> Result<()> {
        Secure::read(&self.tls)?;
        if (self.tls != BrokerTls::default()) && self.urls.iter().any(|url| !url.is_secure()) {
            return Err(config_error(
                "broker_tls_ca and broker_tls_certificate are for TLS: write amqps:// in amqp_message_broker (its port is 5671), or leave them out",
            ));
        }
        let longest = format!("{}.{}.dead", self.queue, self.service);
        for (what, name) in [("exchange", &self.exchange), ("queue", &longest)] {
            short(name).map_err(|error| error.with("name", what))?;
        }
        if self.queue.is_empty() || self.exchange.is_empty() {
            return Err(config_error("queue and exchange have a name"));
        }
        if self.delivery_limit < LEAST_DELIVERY_LIMIT {
            return Err(config_error("the delivery limit is a net: at least 100"));
        }
        Ok(())
    }

    /// The queue of a group.
    pub(super) fn queue_of(&self, group: &str) -> String {
        if group == self.service {
            self.queue.clone()
        } else {
            format!("{}.{group}", self.queue)
        }
    }
}

/// Where the dead letters of a queue are.
pub(super) fn dead_queue(queue: &str) -> String {
    format!("{queue}.dead")
}

/// AMQP's short strings have 255 bytes; the client would panic at a longer one.
pub(super) fn short(text: &str) -> Result<ShortString> {
    ShortString::try_new(text).map_err(|_| config_error("a name has at most 255 bytes"))
}

fn config_error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, "open broker", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> AMQPUri {
        AmqpUrl::parse(url).unwrap().to_connect(Duration::from_secs(7))
    }

    #[test]
    fn addresses_are_read_with_what_may_be_left_out() {
        let plain = parsed("amqp://localhost");
        assert_eq!((plain.authority.port, plain.vhost.as_str()), (5672, "/"));
        assert_eq!(plain.query.heartbeat, Some(7));
        assert_eq!(parsed("amqp://localhost/").vhost, "/");
        assert_eq!(parsed("amqp://localhost/%2f").vhost, "/");
        assert_eq!(
            parsed("amqp://localhost/mine?heartbeat=3").query.heartbeat,
            Some(3)
        );
        assert_eq!(parsed("amqps://u:p@[::1]:5/a").authority.host, "::1");
        assert_eq!(parsed("amqp://[fe80::1]").authority.host, "fe80::1");
    }

    #[test]
    fn no_password_is_shown() {
        let config = AmqpConfig::new(
            vec![AmqpUrl::parse("amqp://me:geheim@broker:1/v").unwrap()],
            "bookingservice",
            "booking",
        );
        let shown = format!("{config:?}");
        assert!(
            shown.contains("broker:1/v") && !shown.contains("geheim"),
            "{shown}"
        );
        for wrong in [
            "geheim",
            "http://u:geheim@h",
            "amqp:geheim",
            "amqp://u:geheim@h:x",
        ] {
            let error = AmqpUrl::parse(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }

    #[test]
    fn each_group_has_a_queue_and_only_the_services_own_has_the_configured_one() {
        let config = AmqpConfig::new(Vec::new(), "bookingservice", "booking");
        assert_eq!(config.queue_of("bookingservice"), "booking");
        assert_eq!(config.queue_of("mail"), "booking.mail");
        assert_eq!(dead_queue("booking"), "booking.dead");
    }

    #[test]
    fn what_amqp_cannot_carry_is_refused() {
        let long = AmqpConfig::new(Vec::new(), "s", "q".repeat(250));
        assert_eq!(long.check().unwrap_err().kind(), ErrorKind::Config);
        let mut low = AmqpConfig::new(Vec::new(), "s", "q");
        low.delivery_limit = 99;
        assert_eq!(low.check().unwrap_err().kind(), ErrorKind::Config);
        assert!("lazy".parse::<QueueType>().is_err());
    }
}
