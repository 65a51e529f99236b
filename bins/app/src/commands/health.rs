//! `health`: whether the running service answers, for container health checks (images have no shell).

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use myevents_core::runtime::config::{ListenAddress, Settings};

use super::say;

const PATIENCE: Duration = Duration::from_secs(3);

/// Where the service of these settings is asked: at the port of the metrics where there is one, as that answers also while the
/// others take no connection.
pub(crate) fn own_url(settings: &Settings) -> Result<String> {
    let plain = settings
        .services
        .iter()
        .filter_map(|service| service.listen.as_ref());
    let address = settings
        .metrics
        .iter()
        .chain(&settings.listen)
        .chain(plain)
        .next();
    let address = address.context("nothing listens for HTTP; name a URL")?;
    let host = match address.host.as_str() {
        "" | "0.0.0.0" | "::" => "127.0.0.1",
        host => host,
    };
    let asked = ListenAddress {
        host: host.to_owned(),
        port: address.port,
    };
    Ok(format!("http://{asked}"))
}

pub(crate) fn run(url: &str) -> Result<ExitCode> {
    let Some(place) = url.strip_prefix("http://") else {
        bail!("`{url}` is no address; write it as http://127.0.0.1:8080");
    };
    let (address, path) = place.split_once('/').unwrap_or((place, ""));
    let path = if path.is_empty() { "healthz" } else { path };
    let with_port = if address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        address.to_owned()
    } else {
        format!("{address}:80")
    };
    let status = ask(&with_port, path).with_context(|| format!("nothing answers at {url}"))?;
    ensure!(status == "200", "{url} answers {status}");
    say("healthy");
    Ok(ExitCode::SUCCESS)
}

fn ask(address: &str, path: &str) -> Result<String> {
    let mut last = None;
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, PATIENCE) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                write!(
                    stream,
                    "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
                )?;
                let mut start = [0; 12];
                stream.read_exact(&mut start)?;
                return Ok(String::from_utf8_lossy(&start[9..]).into_owned());
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("the name has no address"), Into::into))
}
