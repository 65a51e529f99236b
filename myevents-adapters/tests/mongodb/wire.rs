//! A peer between driver and server that reads the messages of the wire protocol: it cuts, holds, answers in the server's
//! place, and passes a server by itself off as a replica set.
//!
//! Rules count for commands by name. Beyond them everything passes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::mongodb::bson::{Bson, Document, Timestamp, doc, oid::ObjectId};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const OP_MSG: i32 = 2013;

/// What is done with a command instead of passing it.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The connection is cut; the server never sees the command.
    CutBefore,
    /// The server carries the command out; the connection is cut before its answer.
    CutAfter,
    /// This is answered; the server never sees the command.
    Answer(Document),
    /// The server carries the command out; this is answered.
    AnswerAfter(Document),
    /// The connection is cut at once; the server gets the command when it is [let go](Wire::let_go).
    Late,
}

#[derive(Debug)]
struct Rule {
    command: &'static str,
    collection: &'static str,
    skip: usize,
    times: usize,
    act: Act,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Document>,
    late: usize,
    delivered: usize,
    dead: bool,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    address: SocketAddr,
    replicated: bool,
    state: Mutex<State>,
    changed: Notify,
    released: tokio::sync::watch::Sender<u64>,
}

/// The peer; it ends with its runtime.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<Shared>);

impl Wire {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        Self::listen(upstream, false).await
    }

    /// As a replica set of one: with sessions, cluster times and read concerns, which the server behind need not know.
    pub(crate) async fn as_replica_set(upstream: SocketAddr) -> Self {
        Self::listen(upstream, true).await
    }

    async fn listen(upstream: SocketAddr, replicated: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self(Arc::new(Shared {
            upstream,
            address: listener.local_addr().unwrap(),
            replicated,
            state: Mutex::default(),
            changed: Notify::new(),
            released: tokio::sync::watch::channel(0).0,
        }));
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting.0);
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ended = shared.serve(client).await;
                });
            }
        });
        wire
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The next command of this name for this collection is met with `act`, whichever task of the store sends it.
    pub(crate) fn once_of(&self, command: &'static str, collection: &'static str, act: Act) {
        self.rule(command, collection, 0, 1, act);
    }

    /// Some commands of this name for a collection, after the first `skip`.
    pub(crate) fn rule(
        &self,
        command: &'static str,
        collection: &'static str,
        skip: usize,
        times: usize,
        act: Act,
    ) {
        let rule = Rule {
            command,
            collection,
            skip,
            times,
            act,
        };
        self.0.state.lock().rules.push(rule);
    }

    /// Whether no rule waits for its command any more.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.state.lock().rules.is_empty()
    }

    /// All rules go; what was not met passes.
    pub(crate) fn clear(&self) {
        self.0.state.lock().rules.clear();
    }

    /// How many commands are held back.
    pub(crate) fn held(&self) -> usize {
        let state = self.0.state.lock();
        state.late - state.delivered
    }

    /// Waits until a command is held back; from then on nothing new passes: what held it back is as good as dead.
    pub(crate) async fn dies(&self) {
        self.until(|state| state.late > state.delivered).await;
        self.0.state.lock().dead = true;
    }

    /// Lets the commands go that are late, and waits until the server has carried them out.
    pub(crate) async fn let_go(&self, count: usize) {
        let delivered = self.0.state.lock().delivered;
        self.0.released.send_modify(|generation| *generation += 1);
        self.until(|state| state.delivered >= delivered + count).await;
    }

    async fn until(&self, is: impl Fn(&State) -> bool + Send + Sync) {
        let waiting = async {
            loop {
                let changed = self.0.changed.notified();
                if is(&self.0.state.lock()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("a command that a test waits for did not come");
    }

    /// The commands that passed or were met, but for those of the driver's own.
    pub(crate) fn seen(&self) -> Vec<Document> {
        self.0.state.lock().seen.clone()
    }

    pub(crate) fn forget_seen(&self) {
        self.0.state.lock().seen.clear();
    }
}

struct Frame {
    id: i32,
    code: i32,
    bytes: Vec<u8>,
}

async fn read_frame(from: &mut TcpStream) -> std::io::Result<Frame> {
    let mut header = [0; 16];
    from.read_exact(&mut header).await?;
    let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let length = usize::try_from(number(0)).unwrap();
    let mut bytes = header.to_vec();
    bytes.resize(length, 0);
    from.read_exact(&mut bytes[16..]).await?;
    Ok(Frame {
        id: number(4),
        code: number(12),
        bytes,
    })
}

/// Where the one document of kind 0 is in a message.
fn body_at(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 20;
    while at < bytes.len() {
        let length = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let size = usize::try_from(length(at + 1)).unwrap();
        if bytes[at] == 0 {
            return Some(at + 1..at + 1 + size);
        }
        at += 1 + size;
    }
    None
}

fn body(bytes: &[u8]) -> Option<Document> {
    Document::from_reader(&bytes[body_at(bytes)?]).ok()
}

/// The same message with another document.
fn with_body(frame: &Frame, document: &Document) -> Vec<u8> {
    let range = body_at(&frame.bytes).unwrap();
    let mut bytes = frame.bytes[..range.start].to_vec();
    document.to_writer(&mut bytes).unwrap();
    bytes.extend_from_slice(&frame.bytes[range.end..]);
    let length = i32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn answer(to: &Frame, document: &Document) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.push(0);
    document.to_writer(&mut bytes).unwrap();
    let length = i32::try_from(bytes.len()).unwrap();
    for (at, value) in [(0, length), (4, 1), (8, to.id), (12, OP_MSG)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

impl Shared {
    async fn serve(self: Arc<Self>, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.upstream).await?;
        loop {
            let mut frame = read_frame(&mut client).await?;
            if self.state.lock().dead {
                return Ok(());
            }
            let command = (frame.code == OP_MSG).then(|| body(&frame.bytes)).flatten();
            let Some(command) = command else {
                server.write_all(&frame.bytes).await?;
                let reply = read_frame(&mut server).await?;
                client.write_all(&self.dressed_query(&reply)).await?;
                continue;
            };
            if self.replicated {
                let mut plain = command.clone();
                for name in [
                    "lsid",
                    "txnNumber",
                    "$clusterTime",
                    "readConcern",
                    "startTransaction",
                    "autocommit",
                ] {
                    plain.remove(name);
                }
                frame.bytes = with_body(&frame, &plain);
            }
            match self.meet(&command) {
                None => {
                    server.write_all(&frame.bytes).await?;
                    let reply = read_frame(&mut server).await?;
                    client.write_all(&self.dressed(&reply)).await?;
                }
                Some(Act::CutBefore) => return Ok(()),
                Some(Act::CutAfter) => {
                    server.write_all(&frame.bytes).await?;
                    read_frame(&mut server).await?;
                    return Ok(());
                }
                Some(Act::Answer(document)) => client.write_all(&answer(&frame, &document)).await?,
                Some(Act::AnswerAfter(document)) => {
                    server.write_all(&frame.bytes).await?;
                    read_frame(&mut server).await?;
                    client.write_all(&answer(&frame, &document)).await?;
                }
                Some(Act::Late) => {
                    let mut released = self.released.subscribe();
                    drop(client);
                    released.changed().await.ok();
                    server.write_all(&frame.bytes).await?;
                    read_frame(&mut server).await?;
                    self.state.lock().delivered += 1;
                    self.changed.notify_waiters();
                    return Ok(());
                }
            }
        }
    }

    /// Notes a command; answers what is to be done with it.
    fn meet(&self, command: &Document) -> Option<Act> {
        let (name, target) = command.iter().next()?;
        if matches!(
            name.as_str(),
            "hello" | "isMaster" | "ismaster" | "ping" | "endSessions" | "killCursors"
        ) {
            return None;
        }
        let mut state = self.state.lock();
        state.seen.push(command.clone());
        let of = |rule: &Rule| rule.command == name && target.as_str() == Some(rule.collection);
        let at = state.rules.iter().position(of)?;
        let rule = &mut state.rules[at];
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let act = rule.act.clone();
        rule.times -= 1;
        if rule.times == 0 {
            state.rules.remove(at);
        }
        state.late += usize::from(matches!(act, Act::Late));
        drop(state);
        self.changed.notify_waiters();
        Some(act)
    }

    fn replica_fields(&self, document: &mut Document) {
        if document.contains_key("maxWireVersion") {
            let address = self.address.to_string();
            document.insert("setName", "test");
            document.insert("setVersion", 1);
            document.insert("hosts", vec![address.clone()]);
            document.insert("me", address);
            document.insert("secondary", false);
            document.insert("electionId", ObjectId::from_bytes([7; 12]));
            document.insert("logicalSessionTimeoutMinutes", 30);
        }
        let time = Timestamp {
            time: 1,
            increment: 1,
        };
        document.insert("operationTime", time);
        let signature = doc! {
            "hash": Bson::Binary(myevents_adapters::mongodb::mongodb::bson::Binary {
                subtype: myevents_adapters::mongodb::mongodb::bson::spec::BinarySubtype::Generic,
                bytes: vec![0; 20],
            }),
            "keyId": 0_i64,
        };
        document.insert(
            "$clusterTime",
            doc! { "clusterTime": time, "signature": signature },
        );
    }

    fn dressed(&self, reply: &Frame) -> Vec<u8> {
        if !self.replicated {
            return reply.bytes.clone();
        }
        let mut document = body(&reply.bytes).unwrap();
        self.replica_fields(&mut document);
        with_body(reply, &document)
    }

    /// The answer to a greeting in the old form: one document after twenty bytes.
    fn dressed_query(&self, reply: &Frame) -> Vec<u8> {
        if !self.replicated {
            return reply.bytes.clone();
        }
        let start = 16 + 20;
        let mut document = Document::from_reader(&reply.bytes[start..]).unwrap();
        self.replica_fields(&mut document);
        let mut bytes = reply.bytes[..start].to_vec();
        document.to_writer(&mut bytes).unwrap();
        let length = i32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}
