//! TLS towards Kafka, which librdkafka speaks by OpenSSL (feature `kafka-tls`). Files are read when a client is made, so renewed
//! ones hold from the next start on.

use std::path::Path;

use myevents_core::{Error, ErrorKind, Result};
use rdkafka::ClientConfig;

use crate::connect::{BrokerOptions, not_built};
use crate::trust::{self, BROKER_CA, BROKER_CERTIFICATE, BROKER_KEY};

const ADDRESSES: &str = "kafka_message_brokers";

/// Where OpenSSL's own tools read the system's authorities from, if it is set.
const SYSTEM_CA: &str = "SSL_CERT_FILE";

/// How a broker is spoken to, by what stands before its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// Nothing: as the other settings say.
    Unsaid,
    Plain,
    Tls,
}

/// The client settings that name the brokers, and over TLS those that prove them and us. One address with `ssl://`, an
/// authority or a certificate is enough: a client speaks to all of its brokers in one way.
///
/// # Errors
/// `Unsupported` where TLS is asked for and not built in; `Config` for addresses that can't be, and files that hold no PEM.
pub(super) fn client(options: &BrokerOptions) -> Result<ClientConfig> {
    let mut hosts = Vec::new();
    let mut schemes = Vec::new();
    for broker in &options.kafka.brokers {
        let (scheme, host) = parsed(broker)?;
        schemes.push(scheme);
        hosts.push(host);
    }
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", hosts.join(","));

    let tls = &options.tls;
    let asked = [
        (BROKER_CA, tls.ca.is_some()),
        (BROKER_CERTIFICATE, tls.identity.is_some()),
        (ADDRESSES, schemes.contains(&Scheme::Tls)),
    ];
    let Some((setting, _)) = asked.into_iter().find(|(_, asked)| *asked) else {
        return Ok(client);
    };
    if !cfg!(feature = "kafka-tls") {
        return Err(not_built("open broker", "kafka-tls").with("setting", setting));
    }
    if schemes.contains(&Scheme::Plain) {
        return Err(address("one is plaintext:// while TLS is asked for").with("by", setting));
    }

    client.set("security.protocol", "ssl");
    let ca = match &tls.ca {
        Some(ca) => {
            trust::certificates(BROKER_CA, ca)?;
            text(BROKER_CA, ca)?.to_owned()
        }
        // The usual places of a system's authorities are looked through.
        None => std::env::var(SYSTEM_CA).unwrap_or_else(|_| "probe".to_owned()),
    };
    client.set("ssl.ca.location", ca);
    if let Some((chain, key)) = &tls.identity {
        trust::certificates(BROKER_CERTIFICATE, chain)?;
        std::fs::File::open(key).map_err(|error| trust::unreadable(BROKER_KEY, key, error))?;
        client.set("ssl.certificate.location", text(BROKER_CERTIFICATE, chain)?);
        client.set("ssl.key.location", text(BROKER_KEY, key)?);
    }
    Ok(client)
}

/// `host:port`, as it is or as Java's clients write it.
fn parsed(broker: &str) -> Result<(Scheme, &str)> {
    let Some((scheme, host)) = broker.split_once("://") else {
        return Ok((Scheme::Unsaid, broker));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "plaintext" => Ok((Scheme::Plain, host)),
        "ssl" => Ok((Scheme::Tls, host)),
        "sasl_ssl" | "sasl_plaintext" => Err(Error::new(
            ErrorKind::Unsupported,
            "open broker",
            "the programs sign in to Kafka by a certificate only; SASL is for services that embed `KafkaConfig::from_client_config`",
        )
        .with("setting", ADDRESSES)),
        _ => Err(address("write host:port, or ssl://host:port for TLS")),
    }
}

fn address(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, "open broker", message).with("setting", ADDRESSES)
}

fn text<'a>(setting: &'static str, path: &'a Path) -> Result<&'a str> {
    path.to_str()
        .ok_or_else(|| trust::refused(setting, "librdkafka takes names of files in UTF-8 only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_it_is_spoken_to_or_leaves_it_open() {
        assert_eq!(parsed("a:9092").unwrap(), (Scheme::Unsaid, "a:9092"));
        assert_eq!(parsed("SSL://a:9093").unwrap(), (Scheme::Tls, "a:9093"));
        assert_eq!(parsed("plaintext://a:1").unwrap(), (Scheme::Plain, "a:1"));
        let kind = |broker| parsed(broker).unwrap_err().kind();
        assert_eq!(kind("sasl_ssl://a:9093"), ErrorKind::Unsupported);
        assert_eq!(kind("https://a:9093"), ErrorKind::Config);
    }
}
