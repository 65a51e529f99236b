//! What is taken as it is set, but should be known to whoever set it.

use super::mail::MailSecurity;
use super::settings::{ServiceSettings, Settings};
use super::value::ListenAddress;

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
