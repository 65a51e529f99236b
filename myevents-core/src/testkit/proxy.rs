//! A TCP proxy that breaks connections on command, to put between a client and its server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy before one server. Faults count for all connections; dropping it resets them all.
///
/// ```no_run
/// # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
/// use myevents_core::testkit::FaultProxy;
///
/// let proxy = FaultProxy::start(server).await?;
/// // connect the client to proxy.address(), then:
/// proxy.cut();
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: SocketAddr,
    rules: watch::Sender<Rules>,
    accepted: AtomicU64,
    open: AtomicU64,
    forwarded: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    /// Raised by each cut: connections of an older generation are reset.
    generation: u64,
    flow: Flow,
    latency: Duration,
    /// All connections are cut once this many bytes were forwarded in all, both ways counted.
    cut_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Forward,
    /// Bytes are left with the sender; nothing is lost.
    Hold,
    /// Bytes are taken and dropped.
    Swallow,
}

impl FaultProxy {
    /// Starts a proxy on a free port of the loopback interface.
    ///
    /// # Errors
    /// Those of binding the port.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let (rules, _) = watch::channel(Rules {
            generation: 0,
            flow: Flow::Forward,
            latency: Duration::ZERO,
            cut_at: None,
        });
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            upstream,
            rules,
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            accepting: Mutex::new(Some(accepting)),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Resets all connections. New ones are accepted.
    pub fn cut(&self) {
        self.shared.rules.send_modify(|rules| rules.generation += 1);
    }

    /// Takes bytes of both sides and drops them, on old and new connections: each side sees an open connection whose
    /// other end is gone.
    pub fn stall(&self) {
        self.shared.rules.send_modify(|rules| rules.flow = Flow::Swallow);
    }

    /// Leaves bytes with their senders, on old and new connections. Nothing is lost.
    pub fn hold(&self) {
        self.shared.rules.send_modify(|rules| rules.flow = Flow::Hold);
    }

    /// Ends [`stall`](Self::stall) and [`hold`](Self::hold). Connections of which bytes were dropped are reset, as
    /// their streams have a gap; the others go on.
    pub fn resume(&self) {
        self.shared.rules.send_modify(|rules| rules.flow = Flow::Forward);
    }

    /// Waits this long before bytes are passed on, each way.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.rules.send_modify(|rules| rules.latency = latency);
    }

    /// Resets all connections once `bytes` more bytes were forwarded, both ways counted; the byte after the last is
    /// not passed on. Happens once.
    pub fn cut_after(&self, bytes: u64) {
        let cut_at = self.forwarded() + bytes;
        self.shared.rules.send_modify(|rules| rules.cut_at = Some(cut_at));
    }

    /// Refuses new connections as a server that is down does; old ones go on. Returns once they are refused.
    pub async fn refuse(&self) {
        let accepting = self.accepting.lock().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // Only when the task is gone is its listener closed. It was aborted, so its result says nothing.
            let _ = accepting.await;
        }
    }

    /// Accepts new connections again, at the same address.
    ///
    /// # Errors
    /// Those of binding the port again.
    pub async fn accept_again(&self) -> io::Result<()> {
        self.refuse().await;
        let listener = bind(self.shared.address)?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        *self.accepting.lock() = Some(accepting);
        Ok(())
    }

    /// How many connections were accepted until now.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many bytes were forwarded until now, both ways counted.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.shared.forwarded.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.cut();
        if let Some(accepting) = self.accepting.get_mut().take() {
            accepting.abort();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections that were just reset may keep the port for a while, and `accept_again` needs it at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let rules = shared.rules.subscribe();
        let generation = rules.borrow().generation;
        tokio::spawn(connection(client, rules, generation, Arc::clone(&shared)));
    }
}

async fn connection(
    mut client: TcpStream,
    mut rules: watch::Receiver<Rules>,
    generation: u64,
    shared: Arc<Shared>,
) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let connected = tokio::select! {
        server = TcpStream::connect(shared.upstream) => server.ok(),
        () = outdated(&mut rules, generation) => None,
    };
    let orderly = match connected {
        Some(mut server) => {
            // Without it small messages wait for each other, which would look like a fault of the client's.
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (client_read, client_write) = client.split();
            let (server_read, server_write) = server.split();
            let mut there = Pump::new(client_read, server_write, rules.clone(), generation, &shared);
            let mut back = Pump::new(server_read, client_write, rules, generation, &shared);
            let end = tokio::try_join!(there.forward(), back.forward());
            if end.is_err() {
                let _ = server.set_zero_linger();
            }
            end.is_ok()
        }
        None => false,
    };
    if !orderly {
        // Closing a socket without lingering sends a reset instead of an orderly end.
        let _ = client.set_zero_linger();
    }
    drop(client);
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// Returns when connections of this generation are to be reset.
async fn outdated(rules: &mut watch::Receiver<Rules>, generation: u64) {
    // An error means that the proxy is gone, which ends its connections too.
    let _ = rules.wait_for(|rules| rules.generation != generation).await;
}

/// The connection is to be reset, both ways.
struct Cut;

/// One direction of a connection.
struct Pump<'a> {
    source: ReadHalf<'a>,
    target: WriteHalf<'a>,
    rules: watch::Receiver<Rules>,
    generation: u64,
    shared: &'a Shared,
    lost_bytes: bool,
}

impl<'a> Pump<'a> {
    fn new(
        source: ReadHalf<'a>,
        target: WriteHalf<'a>,
        rules: watch::Receiver<Rules>,
        generation: u64,
        shared: &'a Shared,
    ) -> Self {
        Self {
            source,
            target,
            rules,
            generation,
            shared,
            lost_bytes: false,
        }
    }

    async fn forward(&mut self) -> Result<(), Cut> {
        let mut buffer = vec![0; 16 * 1_024];
        loop {
            self.flow().await?;
            let read = tokio::select! {
                biased;
                changed = self.rules.changed() => {
                    changed.map_err(|_| Cut)?;
                    continue;
                }
                read = self.source.read(&mut buffer) => read.map_err(|_| Cut)?,
            };
            let latency = self.rules.borrow().latency;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            match self.flow().await? {
                Flow::Swallow => {
                    self.lost_bytes = true;
                    if read == 0 {
                        // The end is swallowed like everything else: the other side must not learn of it.
                        self.until_changed().await?;
                    }
                }
                _ if read == 0 => {
                    return self.target.shutdown().await.map_err(|_| Cut);
                }
                _ => self.pass_on(&buffer[..read]).await?,
            }
        }
    }

    /// What to do with bytes now; waits while they are to be held.
    async fn flow(&mut self) -> Result<Flow, Cut> {
        loop {
            let rules = *self.rules.borrow_and_update();
            if rules.generation != self.generation || (self.lost_bytes && rules.flow != Flow::Swallow) {
                return Err(Cut);
            }
            if rules.flow != Flow::Hold {
                return Ok(rules.flow);
            }
            self.until_changed().await?;
        }
    }

    async fn until_changed(&mut self) -> Result<(), Cut> {
        self.rules.changed().await.map_err(|_| Cut)
    }

    async fn pass_on(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let cut_at = self.rules.borrow().cut_at;
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let before = self.shared.forwarded.fetch_add(count, Ordering::SeqCst);
        let last = cut_at.filter(|cut_at| before + count >= *cut_at);
        let allowed = last.map_or(bytes.len(), |cut_at| {
            usize::try_from(cut_at.saturating_sub(before)).map_or(bytes.len(), |left| left.min(bytes.len()))
        });
        let generation = self.generation;
        tokio::select! {
            biased;
            () = outdated(&mut self.rules, generation) => return Err(Cut),
            written = self.target.write_all(&bytes[..allowed]) => written.map_err(|_| Cut)?,
        }
        if last.is_some() {
            self.shared.rules.send_modify(|rules| {
                rules.generation += 1;
                rules.cut_at = None;
            });
            return Err(Cut);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets, on any number of connections.
    async fn echo_server() -> SocketAddr {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn start() -> (FaultProxy, TcpStream) {
        let proxy = FaultProxy::start(echo_server().await).await.unwrap();
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client)
    }

    async fn echoes(client: &mut TcpStream, text: &[u8]) -> io::Result<()> {
        let (mut read, mut write) = client.split();
        let mut answer = vec![0; text.len()];
        // Both at once: an echo of more than the sockets' buffers needs its reader while it is written.
        tokio::try_join!(write.write_all(text), read.read_exact(&mut answer))?;
        assert_eq!(answer, text);
        Ok(())
    }

    async fn is_reset(client: &mut TcpStream) -> bool {
        let read = client.read(&mut [0; 64]).await;
        matches!(read, Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    }

    #[tokio::test]
    async fn forwards_both_ways_and_passes_an_orderly_end_on() {
        let (proxy, mut client) = start().await;
        echoes(&mut client, &[7; 300_000]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!((proxy.accepted(), proxy.forwarded()), (1, 600_000));
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_open_and_lets_new_ones_in() {
        let (proxy, mut client) = start().await;
        echoes(&mut client, b"before").await.unwrap();
        proxy.cut();
        assert!(is_reset(&mut client).await);
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        echoes(&mut again, b"after").await.unwrap();
    }

    #[tokio::test]
    async fn a_stalled_connection_looks_open_and_is_reset_when_the_proxy_resumes() {
        let (proxy, mut client) = start().await;
        echoes(&mut client, b"before").await.unwrap();
        proxy.stall();
        client.write_all(b"into the void").await.unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(100), client.read(&mut [0; 1])).await;
        assert!(silent.is_err(), "{silent:?}");
        proxy.resume();
        assert!(is_reset(&mut client).await);
    }

    #[tokio::test]
    async fn what_was_held_comes_through_later() {
        let (proxy, mut client) = start().await;
        echoes(&mut client, b"before").await.unwrap();
        proxy.hold();
        client.write_all(b"patience").await.unwrap();
        let mut answer = [0; 8];
        let silent = tokio::time::timeout(Duration::from_millis(100), client.read(&mut answer)).await;
        assert!(silent.is_err(), "{silent:?}");
        proxy.resume();
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"patience");
    }

    #[tokio::test]
    async fn refused_is_refused_until_it_accepts_again() {
        let (proxy, mut client) = start().await;
        echoes(&mut client, b"before").await.unwrap();
        proxy.refuse().await;
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        echoes(&mut client, b"an old one goes on").await.unwrap();
        proxy.accept_again().await.unwrap();
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        echoes(&mut again, b"after").await.unwrap();
    }

    #[tokio::test]
    async fn cuts_after_just_so_many_bytes() {
        let (proxy, mut client) = start().await;
        proxy.cut_after(15);
        client.write_all(b"0123456789").await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"01234");
        assert!(is_reset(&mut client).await);
    }

    #[tokio::test]
    async fn latency_is_added_each_way() {
        let (proxy, mut client) = start().await;
        proxy.set_latency(Duration::from_millis(60));
        let started = std::time::Instant::now();
        echoes(&mut client, b"slow").await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(120));
    }

    #[tokio::test]
    async fn a_server_that_is_down_ends_the_connection() {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let proxy = FaultProxy::start(nobody).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(is_reset(&mut client).await);
    }
}
