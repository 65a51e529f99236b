//! Mail to holders: from settings to the mail server, and the consumer beside the projection.

use std::sync::Arc;

use anyhow::Result;
use myevents_adapters::connect::{self, MailerOptions, MailerSecurity, OpenBroker, OpenStore};
use myevents_core::ErrorKind;
use myevents_core::dispatch::Dispatch;
use myevents_core::mail::{self, MailOptions};
use myevents_core::observe::Observer;
use myevents_core::ports::{Mailer, SystemClock};
use myevents_core::runtime::config::{MailSecurity, MailSettings, ServiceName, ServiceSettings, Settings};
use tokio_util::sync::CancellationToken;

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
    let mailer = connect::mailer(&options(mail)).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::Unsupported => {
                "smtp_url is set: build the program with `--features smtp`, or leave it out"
            }
            _ => "smtp_url is set, and holders can't be mailed",
        };
        anyhow::Error::new(error).context(remedy)
    })?;
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
    let says = MailOptions {
        from: mail.from_address.clone(),
        language: mail.language,
        public_url: mail.public_url.clone(),
        parallel: mail.connections,
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
        .options(mail::dispatch_options(capabilities.order))
        .observer(Arc::clone(observer))
        .build()?;
    Ok(dispatch)
}
