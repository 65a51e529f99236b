//! What is taken as it is set, but should be known to whoever set it.

use super::keys::ServiceName;
use super::mail::MailSecurity;
use super::settings::{ServiceSettings, Settings};
use super::value::ListenAddress;
use crate::mail;

/// Parts of a URL that leave a store unproven, in lower case: whoever is between may be it.
const UNPROVEN: &[&str] = &[
    "tlsinsecure=true",
    "tlsallowinvalidcertificates=true",
    "tlsallowinvalidhostnames=true",
    "sslinsecure=true",
];

pub(super) fn add(settings: &mut Settings) {
    let mut warnings = Vec::new();
    for service in &settings.services {
        let name = service.service;
        if service.organiser_open && service.auth.is_some() {
            warnings.push(format!("{name}: organiser_open has no effect with auth jwt"));
        }
        if let Some(queue) = unsent_mails(settings, service) {
            warnings.push(format!(
                "{name}: sqs_destinations does not name {queue}, the queue of the mails: set it at both services, or holders are not \
                 mailed"
            ));
        }
        if let Some(host) = readable_mail(service) {
            warnings.push(format!(
                "{name}: smtp_url has no TLS: whoever is on the way to {host} reads mails, addresses and links to tickets"
            ));
        }
        if let Some(part) = unproven(service) {
            warnings.push(format!(
                "{name}: dbconnection says {part}: whoever is on the way to the store can read and change everything; name its \
                 authority by tlsCAFile instead"
            ));
        }
    }
    let guarded = settings.services.iter().filter(|service| {
        let tls = service.tls.as_ref();
        tls.is_some_and(|files| files.client_ca.is_some())
    });
    for service in guarded {
        let plain = service.listen.iter().chain(&settings.listen);
        for address in plain.filter(|address| !address.is_loopback()) {
            warnings.push(format!(
                "{}: tls_client_ca guards HTTPS only, and {address} serves the same without TLS and without a client's certificate: \
                 turn it off (none), or listen on loopback",
                service.service
            ));
        }
    }
    if let Some(address) = settings.metrics.as_ref().filter(|address| !address.is_loopback()) {
        warnings.push(format!(
            "metrics_endpoint {address} is not of this machine alone: whoever reaches it reads names of events and how many \
             seats are sold"
        ));
    }
    settings.warnings.append(&mut warnings);
}

/// The queue of the mails, where SQS is sent to by a list and this service's does not name it: SQS has no exchange.
fn unsent_mails(settings: &Settings, service: &ServiceSettings) -> Option<String> {
    let mails = settings.service(ServiceName::Booking).unwrap_or(service);
    let queue = mails.mail.as_ref().map(|_| &mails.broker.sqs_queue)?;
    let (stem, ending) = match queue.strip_suffix(".fifo") {
        Some(stem) => (stem, ".fifo"),
        None => (queue.as_str(), ""),
    };
    let own = format!("{stem}-{}{ending}", mail::GROUP);
    let sent = !service.broker.sqs_topic.is_empty() || service.broker.sqs_destinations.contains(&own);
    (settings.broker == "sqs" && !sent).then_some(own)
}

/// The mail server's host, where it is another machine that is spoken to without TLS.
fn readable_mail(service: &ServiceSettings) -> Option<&str> {
    let mail = service.mail.as_ref()?;
    let address = ListenAddress {
        host: mail.host.clone(),
        port: mail.port,
    };
    (mail.security == MailSecurity::None && !address.is_loopback()).then_some(mail.host.as_str())
}

/// The first part of the store's URL that turns off the proof of who the store is.
fn unproven(service: &ServiceSettings) -> Option<&'static str> {
    let url = service.connection.as_ref()?.reveal().to_ascii_lowercase();
    let (_, query) = url.split_once('?')?;
    query
        .split(['&', ';'])
        .find_map(|part| UNPROVEN.iter().find(|name| **name == part).copied())
}
