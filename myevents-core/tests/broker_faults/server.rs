//! The toy broker itself: groups with their queues, behind JSON lines over TCP.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::{HEARTBEAT, send};

#[derive(Debug)]
pub(crate) struct Server {
    groups: Mutex<HashMap<String, Group>>,
    tags: AtomicU64,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Group {
    names: Vec<Value>,
    ready: VecDeque<(Value, u64)>,
}

impl Server {
    pub(crate) async fn start() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Self {
            groups: Mutex::default(),
            tags: AtomicU64::new(0),
            changed: watch::Sender::new(0),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&server).connection(stream));
            }
        });
        address
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let mut held: HashMap<u64, (Value, u64)> = HashMap::new();
        let mut subscribed: Option<(String, usize)> = None;
        // Any error is the end of the connection, whose deliveries go back to their queue.
        let _ = self.serve(stream, &mut held, &mut subscribed).await;
        if let Some((group, _)) = subscribed {
            let mut groups = self.groups.lock();
            let queue = &mut groups.entry(group).or_default().ready;
            for (message, attempt) in held.into_values() {
                queue.push_front((message, attempt + 1));
            }
        }
        self.changed.send_modify(|version| *version += 1);
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        held: &mut HashMap<u64, (Value, u64)>,
        subscribed: &mut Option<(String, usize)>,
    ) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read).lines();
        let mut changed = self.changed.subscribe();
        let mut beat = tokio::time::interval(HEARTBEAT / 4);
        loop {
            if let Some((group, prefetch)) = subscribed {
                while held.len() < *prefetch {
                    let next = self
                        .groups
                        .lock()
                        .get_mut(group)
                        .and_then(|group| group.ready.pop_front());
                    let Some((message, attempt)) = next else { break };
                    let tag = self.tags.fetch_add(1, Ordering::SeqCst);
                    held.insert(tag, (message.clone(), attempt));
                    send(
                        &mut write,
                        json!({"delivery": message, "attempt": attempt, "tag": tag}),
                    )
                    .await?;
                }
            }
            let line = tokio::select! {
                line = lines.next_line() => line?,
                _ = changed.changed() => continue,
                _ = beat.tick() => {
                    send(&mut write, json!({"beat": true})).await?;
                    continue;
                }
            };
            let Some(line) = line else { return Ok(()) };
            let command: Value = serde_json::from_str(&line)?;
            if let Some(message) = command.get("publish") {
                let taken = self.publish(message);
                send(&mut write, json!({"taken": taken})).await?;
            } else if let Some(group) = command["subscribe"].as_str() {
                let names = command["names"].as_array().cloned().unwrap_or_default();
                self.groups.lock().entry(group.to_owned()).or_default().names = names;
                let prefetch = command["prefetch"].as_u64().unwrap_or(1);
                *subscribed = Some((group.to_owned(), usize::try_from(prefetch).unwrap_or(1)));
                send(&mut write, json!({"subscribed": true})).await?;
            } else if let Some(tag) = command["ack"].as_u64() {
                held.remove(&tag);
                send(&mut write, json!({"settled": true})).await?;
            } else if let Some(tag) = command["nack"].as_u64() {
                if let (Some((message, attempt)), Some((group, _))) = (held.remove(&tag), &*subscribed)
                    && let Some(group) = self.groups.lock().get_mut(group)
                {
                    group.ready.push_front((message, attempt + 1));
                }
                send(&mut write, json!({"settled": true})).await?;
            }
        }
    }

    fn publish(&self, message: &Value) -> bool {
        let mut groups = self.groups.lock();
        let mut taken = false;
        for group in groups
            .values_mut()
            .filter(|group| group.names.contains(&message["name"]))
        {
            group.ready.push_back((message.clone(), 1));
            taken = true;
        }
        drop(groups);
        self.changed.send_modify(|version| *version += 1);
        taken
    }
}
