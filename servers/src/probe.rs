//! Whether a server answers: one small question in the protocol of each kind.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::Kind;

/// Long enough for a busy machine: what waits for a start asks again, but a server that is found slow is taken for none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks one of our own servers, which listens on this port of this machine.
///
/// # Errors
/// When it does not answer as its kind does.
pub(crate) fn own(kind: Kind, port: u16) -> Result<()> {
    let mut stream = connect(&format!("127.0.0.1:{port}"))?;
    match kind {
        Kind::Mongodb => ping(&mut stream),
        Kind::Amqp => handshake(&mut stream),
        Kind::Kafka => metadata(&mut stream),
        // It has no question that needs no signature, so the refusal is the answer.
        Kind::Dynamodb => http(&mut stream, "/").map(drop),
        Kind::Sqs => good(http(&mut stream, "/?Action=ListQueues")?),
        Kind::Sns => good(http(&mut stream, "/moto-api/")?),
        Kind::Smtp => greeting(&mut stream),
    }
}

/// Asks a server that somebody else runs, as far as its URL says how: one behind TLS is only connected to, and so is
/// Kafka, whose broker list does not say whether it wants TLS.
///
/// # Errors
/// When the URL names no server, or none that answers as its kind does.
pub(crate) fn foreign(kind: Kind, url: &str) -> Result<()> {
    let place = Place::read(kind, url)?;
    let Some(place) = place else { return Ok(()) };
    let mut refusals = Vec::new();
    for address in &place.addresses {
        match connect(address).and_then(|mut stream| place.ask(kind, &mut stream)) {
            Ok(()) => return Ok(()),
            Err(error) => refusals.push(format!("{address}: {error:#}")),
        }
    }
    bail!("{}", refusals.join("; "))
}

/// Where a URL points to.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    addresses: Vec<String>,
    plain: bool,
}

impl Place {
    /// None for a URL whose hosts only a name service knows.
    fn read(kind: Kind, url: &str) -> Result<Option<Self>> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if kind == Kind::Kafka => ("", url),
            None => bail!("`{url}` is no URL"),
        };
        let (plain, default_port) = match (kind, scheme) {
            (Kind::Mongodb, "mongodb+srv") => return Ok(None),
            (Kind::Mongodb, "mongodb") => (!rest.contains("tls=true") && !rest.contains("ssl=true"), 27017),
            (Kind::Amqp, "amqp") => (true, 5672),
            (Kind::Amqp, "amqps") => (false, 5671),
            (Kind::Kafka, "") => (false, 9092),
            (Kind::Dynamodb | Kind::Sqs | Kind::Sns, "http") => (true, 80),
            (Kind::Dynamodb | Kind::Sqs | Kind::Sns, "https") => (false, 443),
            (Kind::Smtp, "smtp") => (true, 25),
            (Kind::Smtp, "smtps") => (false, 465),
            _ => bail!("`{url}` is no URL for {kind}"),
        };
        let hosts = rest.split(['/', '?']).next().unwrap_or_default();
        let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
        let addresses: Vec<String> = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| {
                let has_port = host
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                if has_port {
                    host.to_owned()
                } else {
                    format!("{host}:{default_port}")
                }
            })
            .collect();
        ensure!(!addresses.is_empty(), "`{url}` names no host");
        Ok(Some(Self { addresses, plain }))
    }

    fn ask(&self, kind: Kind, stream: &mut TcpStream) -> Result<()> {
        if !self.plain {
            return Ok(());
        }
        match kind {
            Kind::Mongodb => ping(stream),
            Kind::Amqp => handshake(stream),
            Kind::Kafka => Ok(()),
            // Whatever the status: a gateway may refuse a request without signature.
            Kind::Dynamodb | Kind::Sqs | Kind::Sns => http(stream, "/").map(drop),
            Kind::Smtp => greeting(stream),
        }
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let mut last = None;
    for address in address.to_socket_addrs().context("no such host")? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error).context("cannot connect"),
        None => bail!("the host has no address"),
    }
}

/// The status of a GET.
fn http(stream: &mut TcpStream, path: &str) -> Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).context("no HTTP answer")?;
    let status = std::str::from_utf8(&start)
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|rest| rest.get(2..)?.parse().ok());
    status.context("what answers does not speak HTTP")
}

fn good(status: u16) -> Result<()> {
    ensure!(status == 200, "answered with status {status}");
    Ok(())
}

/// A mail server speaks first.
fn greeting(stream: &mut TcpStream) -> Result<()> {
    let mut start = [0; 4];
    stream.read_exact(&mut start).context("no greeting")?;
    ensure!(&start == b"220 ", "what answers does not speak SMTP");
    stream.write_all(b"QUIT\r\n")?;
    Ok(())
}

/// MongoDB's `ping`, which needs no login, in an `OP_MSG`: <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>.
fn ping(stream: &mut TcpStream) -> Result<()> {
    const OP_MSG: i32 = 2013;
    const ID: i32 = 7;
    let mut fields = Vec::new();
    fields.extend_from_slice(b"\x10ping\0\x01\0\0\0");
    fields.extend_from_slice(b"\x02$db\0\x06\0\0\0admin\0");
    let mut document = i32::try_from(fields.len() + 5)?.to_le_bytes().to_vec();
    document.extend_from_slice(&fields);
    document.push(0);

    // Flags, then one section of kind 0: the document.
    let body = [&[0; 5][..], &document].concat();
    let mut message = Vec::new();
    for number in [i32::try_from(16 + body.len())?, ID, 0, OP_MSG] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.extend_from_slice(&body);
    stream.write_all(&message)?;

    let mut header = [0; 16];
    stream.read_exact(&mut header).context("no answer to `ping`")?;
    let number = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, i32::from_le_bytes)
    };
    ensure!(
        number(8) == ID && number(12) == OP_MSG,
        "what answers does not speak MongoDB's protocol"
    );
    Ok(())
}

/// The first words of AMQP 0-9-1: the server's are the method `connection.start`, 10.10, on channel 0.
fn handshake(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"AMQP\0\0\x09\x01")?;
    let mut start = [0; 11];
    stream
        .read_exact(&mut start)
        .context("no answer to the AMQP header")?;
    ensure!(
        start.starts_with(b"\x01\0\0") && start.ends_with(b"\0\x0a\0\x0a"),
        "what answers does not speak AMQP 0-9-1"
    );
    Ok(())
}

/// Kafka's metadata, version 0, of all topics: <https://kafka.apache.org/protocol.html#The_Messages_Metadata>.
/// A broker names itself in it only once clients may use it.
fn metadata(stream: &mut TcpStream) -> Result<()> {
    const ID: [u8; 4] = [0, 0, 0, 7];
    let mut request = vec![0, 0, 0, 14];
    request.extend_from_slice(&[0, 3, 0, 0]);
    request.extend_from_slice(&ID);
    // No client id, no topics.
    request.extend_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
    stream.write_all(&request)?;
    let mut answer = [0; 12];
    stream
        .read_exact(&mut answer)
        .context("no answer to the metadata request")?;
    ensure!(answer[4..8] == ID, "what answers does not speak Kafka's protocol");
    ensure!(answer[8..] != [0; 4], "it knows no broker yet");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(kind: Kind, url: &str) -> Vec<String> {
        Place::read(kind, url).unwrap().unwrap().addresses
    }

    #[test]
    fn urls_of_servers_that_others_run_are_understood() {
        assert_eq!(
            addresses(Kind::Mongodb, "mongodb://u:p@a,b:1/x?y=z"),
            ["a:27017", "b:1"]
        );
        assert_eq!(
            addresses(Kind::Amqp, "amqp://guest:guest@127.0.0.1"),
            ["127.0.0.1:5672"]
        );
        assert_eq!(addresses(Kind::Kafka, "a:9092,b:9093"), ["a:9092", "b:9093"]);
        assert_eq!(addresses(Kind::Sqs, "https://sqs.test/"), ["sqs.test:443"]);
        assert_eq!(
            Place::read(Kind::Mongodb, "mongodb+srv://cluster.test").unwrap(),
            None
        );
    }

    #[test]
    fn a_url_of_another_kind_is_refused() {
        for (kind, url) in [
            (Kind::Mongodb, "http://127.0.0.1:1"),
            (Kind::Amqp, "127.0.0.1:5672"),
            (Kind::Dynamodb, "http://"),
        ] {
            assert!(foreign(kind, url).is_err(), "{url}");
        }
    }
}
