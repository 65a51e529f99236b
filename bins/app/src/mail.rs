//! Mail to holders: from settings to the mail server, and the consumer beside the projection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use myevents_adapters::connect::{self, MailerOptions, MailerSecurity, OpenBroker, OpenStore};
use myevents_core::dispatch::{Backoff, Dispatch, DispatchOptions};
use myevents_core::mail::{self, MailOptions};
use myevents_core::observe::Observer;
use myevents_core::ports::{Mailer, MessageOrder, StartFrom, SystemClock};
use myevents_core::runtime::config::{MailSecurity, MailSettings, ServiceName, ServiceSettings, Settings};
use tokio_util::sync::CancellationToken;

/// Messages in hand at once; connections bound how many mails are on their way.
const WRITING: usize = 64;
/// Messages held where those that are put off wait in place, for minutes.
const HELD: usize = 1_024;
/// Tries of a mail that the server asks to send later, where the broker does not keep order and waits by itself.
const TRIES: u32 = 50;
/// How long such a mail waits in place elsewhere, all together. Servers that make strangers come back do so for some minutes.
/// Longer than the lease of a mail, which one that died in the middle leaves behind.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
const LATER: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(5 * 60));
/// Between two tries while the server is away.
const AWAY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
/// The mails of a cancelled event are one message; after this its round ends and the next goes on, long before a broker would take
/// the message for lost.
const ONE_ROUND: Duration = Duration::from_secs(4 * 60);
/// What a stop may take for the mails in hand.
const IN_HAND: Duration = Duration::from_secs(8);

/// The consumer group on the service's broker. Kafka's groups are the whole cluster's, so there it is named after the service's own.
pub(crate) fn group(settings: &ServiceSettings, broker: &str) -> String {
    match broker {
        "kafka" => format!("{}-{}", settings.broker.kafka_group, mail::GROUP),
        _ => mail::GROUP.to_owned(),
    }
}

/// The way to the mail server, and the end of it.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) mailer: Arc<dyn Mailer>,
    /// No further mail is begun.
    pub(crate) stop: CancellationToken,
}

/// The mail of the booking service, if it is to send any.
///
/// # Errors
/// In a program without feature `smtp`; when a file can't be read.
pub(crate) fn open(settings: &Settings) -> Result<Option<Mail>> {
    let service = settings.service(ServiceName::Booking);
    let Some(mail) = service.and_then(|service| service.mail.as_ref()) else {
        return Ok(None);
    };
    let mailer = connect::mailer(&options(mail)).context("smtp_url is set, and holders can't be mailed")?;
    Ok(Some(Mail {
        mailer,
        stop: CancellationToken::new(),
    }))
}

fn options(mail: &MailSettings) -> MailerOptions {
    MailerOptions {
        host: mail.host.clone(),
        port: mail.port,
        security: match mail.security {
            MailSecurity::None => MailerSecurity::None,
            MailSecurity::StartTls => MailerSecurity::StartTls,
            MailSecurity::Tls => MailerSecurity::Tls,
        },
        ca: mail.ca.clone(),
        sign_in: mail.user.clone().zip(mail.password_file.clone()),
        from_name: mail.from_name.clone(),
        from_address: mail.from_address.clone(),
        connections: mail.connections,
    }
}

/// The consumer that mails.
///
/// # Errors
/// When it can't be put together.
pub(crate) fn dispatch(
    way: &Mail,
    mail: &MailSettings,
    open: &OpenStore,
    broker: &OpenBroker,
    settings: &ServiceSettings,
    observer: &Arc<dyn Observer>,
) -> Result<Dispatch> {
    let names = mail::subscribe_names();
    let capabilities = broker.listener.capabilities();
    let group = group(settings, capabilities.name);
    if !capabilities.replay {
        // A log would give a group that is declared all it ever kept, and everybody would be mailed about the past.
        broker.tools.declare(&group, &names);
    }
    warn_of_queues(capabilities.name, settings);
    let says = MailOptions {
        from: mail.from_address.clone(),
        language: mail.language,
        public_url: mail.public_url.clone(),
        parallel: mail.connections,
    };
    let options = DispatchOptions {
        max_attempts: TRIES,
        max_wait: PATIENCE,
        backoff: LATER,
        away_backoff: AWAY,
        handler_timeout: ONE_ROUND,
        concurrency: WRITING,
        prefetch: match capabilities.order {
            MessageOrder::None => 2 * WRITING,
            _ => HELD,
        },
        shutdown_timeout: IN_HAND,
        from: StartFrom::Now,
        ..DispatchOptions::default()
    };
    let builder = mail::register(
        Dispatch::builder(group.as_str()),
        open.store.clone(),
        Arc::clone(&way.mailer),
        says,
        Arc::new(SystemClock),
        Arc::clone(observer),
        way.stop.clone(),
    );
    let dispatch = builder
        .dead_letters(broker.tools.dead_letters(&group, open.dead_letters.clone()))
        .options(options)
        .observer(Arc::clone(observer))
        .build()?;
    Ok(dispatch)
}

/// SQS has no exchange: what is not sent to the group's queue never comes.
fn warn_of_queues(broker: &str, settings: &ServiceSettings) {
    let sqs = &settings.broker;
    let (stem, ending) = match sqs.sqs_queue.strip_suffix(".fifo") {
        Some(stem) => (stem, ".fifo"),
        None => (sqs.sqs_queue.as_str(), ""),
    };
    let own = format!("{stem}-{}{ending}", mail::GROUP);
    if broker == "sqs" && sqs.sqs_topic.is_empty() && !sqs.sqs_destinations.contains(&own) {
        tracing::warn!(
            queue = own,
            "sqs_destinations does not name the queue of the mails: set it at both services, or holders are not mailed"
        );
    }
}
