//! A server of a test's own: started on free ports, killed, stopped, started again on the same data.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::launch::{Running, Session, Site};
use crate::{Kind, NotInstalled, install, skip};

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);

/// A server that this process started. Dropping it kills it and removes its folder, unless that was given by
/// [`Server::start_in`]. It ends with this process too, however that ends.
#[derive(Debug)]
pub struct Server {
    site: Site,
    url: String,
    running: Option<Running>,
    own_folder: Option<TempDir>,
}

impl Server {
    /// Starts one on fresh data and waits until it answers.
    ///
    /// # Errors
    /// [`NotInstalled`] (by `downcast_ref`) when it is not installed; with `MYEVENTS_REQUIRE=all` it is installed instead.
    /// Otherwise with its last lines, when it ends or does not answer within a minute.
    pub fn start(kind: Kind) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("myevents-{kind}-"))
            .tempdir()?;
        let path = folder.path().to_owned();
        Self::start_with(kind, &path, Some(folder))
    }

    /// Starts a Kafka that tells its clients to come to another address: that of what stands before it, such as a proxy. `front` gets
    /// the server's address, and answers that one.
    ///
    /// # Errors
    /// As [`Server::start`]; those of `front`.
    pub fn start_behind(
        test: &str,
        front: impl FnOnce(SocketAddr) -> Result<SocketAddr>,
    ) -> Result<Option<Self>> {
        Self::start_kafka(test, |site| {
            site.front = Some(front(SocketAddr::from((Ipv4Addr::LOCALHOST, site.port)))?);
            Ok(())
        })
    }

    /// Starts a Kafka that has a listener for TLS beside the plain one, and asks clients for a certificate of an authority. Answers where that
    /// listener is; its clients are told to come there.
    ///
    /// # Errors
    /// As [`Server::start`]; when the files can't be written.
    #[cfg(feature = "tls")]
    pub fn start_over_tls(
        test: &str,
        own: &crate::tls::Pair,
        clients: &crate::tls::Authority,
    ) -> Result<Option<(Self, SocketAddr)>> {
        let mut port = 0;
        let server = Self::start_kafka(test, |site| {
            port = site.secure(own, clients)?;
            Ok(())
        })?;
        Ok(server.map(|server| (server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))))
    }

    fn start_kafka(test: &str, prepare: impl FnOnce(&mut Site) -> Result<()>) -> Result<Option<Self>> {
        let kind = Kind::Kafka;
        if skip::required() {
            install::install(kind, &|_| {})?;
        } else if let Err(reason) = install::check(kind) {
            skip::skip(test, &reason.to_string());
            return Ok(None);
        }
        let folder = tempfile::Builder::new()
            .prefix(&format!("myevents-{kind}-"))
            .tempdir()?;
        let mut site = Site::open(kind, folder.path())?;
        prepare(&mut site)?;
        let running = site.start(Session::Own {
            remove: Some(folder.path()),
        })?;
        Ok(Some(Self {
            url: kind.url(site.port),
            site,
            running: Some(running),
            own_folder: Some(folder),
        }))
    }

    /// Starts one on the data in this folder, which stays.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_in(kind: Kind, folder: &Path) -> Result<Self> {
        Self::start_with(kind, folder, None)
    }

    /// As [`Server::start`]; notes a skip and answers none when it is not installed.
    ///
    /// # Errors
    /// When it is installed and does not start.
    ///
    /// # Panics
    /// As [`skip::skip`].
    pub fn start_or_skip(test: &str, kind: Kind) -> Result<Option<Self>> {
        match Self::start(kind) {
            Ok(server) => Ok(Some(server)),
            Err(error) => match error.downcast_ref::<NotInstalled>() {
                Some(reason) => {
                    skip::skip(test, &reason.to_string());
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }

    fn start_with(kind: Kind, folder: &Path, own_folder: Option<TempDir>) -> Result<Self> {
        if skip::required() {
            install::install(kind, &|_| {})?;
        }
        install::check(kind)?;
        let mut site = Site::open(kind, folder)?;
        let running = site.start_anywhere(Session::Own {
            remove: own_folder.as_ref().map(TempDir::path),
        })?;
        Ok(Self {
            url: kind.url(site.port),
            site,
            running: Some(running),
            own_folder,
        })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.site.kind
    }

    /// How a client on this machine names it: the same after every start. For Kafka that is its broker list.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens: the same after every start.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.site.port
    }

    /// Its process while it runs, as far as this value knows.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// Its folder: its data, its settings, and in the file `out` what it printed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.site.folder
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.running
            .as_mut()
            .is_some_and(|running| matches!(running.has_ended(), Ok(None)))
    }

    /// `kill -9`. Answers once the process is gone. Nothing happens when it does not run.
    ///
    /// # Errors
    /// When it may not be killed.
    pub fn kill(&mut self) -> Result<()> {
        match self.running.take() {
            Some(running) => running.kill(),
            None => Ok(()),
        }
    }

    /// Asks it to end and waits until it has. Nothing happens when it does not run.
    ///
    /// # Errors
    /// When it does not end within half a minute. It is killed then.
    pub fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let ended = running.stop(STOP)?;
        self.site.clear_up();
        ensure!(
            ended,
            "{} did not end within {} s when asked to; it was killed",
            install::product(self.kind()),
            STOP.as_secs()
        );
        Ok(())
    }

    /// Starts it again on the same data and the same port, and waits until it answers. One that still runs is stopped first.
    ///
    /// # Errors
    /// As [`Server::start`], or when it cannot be stopped.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let remove = self.own_folder.as_ref().map(TempDir::path);
        self.running = Some(self.site.start(Session::Own { remove })?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to be told of a failure.
        let _killed = self.kill();
        self.site.clear_up();
    }
}
