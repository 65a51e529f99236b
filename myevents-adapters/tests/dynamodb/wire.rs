//! An HTTP client between SDK and server: it counts and keeps what passes, and does to it what a test asks for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use myevents_adapters::dynamodb::aws_sdk_dynamodb::Client;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::bed::settings;

/// What happens to the next request of an operation.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It goes through; for a place in a queue.
    Pass,
    /// The server is not asked; this error is answered.
    Answer {
        status: u16,
        code: &'static str,
        message: &'static str,
    },
    /// The server is not asked; the transaction is cancelled for these reasons, position by position.
    Cancelled(Vec<&'static str>),
    /// The server is not asked, and no answer comes.
    LostBefore,
    /// The server does it, and the answer is lost.
    LostAfter,
    /// It is kept until it is let go.
    Held(Arc<Held>),
    /// The server is not asked; this is answered, as by an index that lags.
    Stale(Value),
    /// The answer is changed.
    Changed(fn(&mut Value)),
}

/// A request that is kept at a place.
#[derive(Debug, Default)]
pub(crate) struct Held {
    arrived: Notify,
    go: Notify,
}

impl Held {
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn let_go(&self) {
        self.go.notify_one();
    }
}

/// A request that passed.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) body: Value,
    pub(crate) answer: Value,
}

#[derive(Debug)]
struct State {
    inner: SharedHttpClient,
    faults: parking_lot::Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    seen: parking_lot::Mutex<Vec<Seen>>,
    /// Who sends again what was kept, one after the other.
    connector: AsyncMutex<Option<SharedHttpConnector>>,
    raw: parking_lot::Mutex<Vec<HttpRequest>>,
}

/// The client's side of the wire.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<State>);

#[derive(Debug, Clone)]
struct Connector {
    wire: Wire,
    inner: SharedHttpConnector,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            inner: aws_smithy_http_client::Builder::new().build_http(),
            faults: parking_lot::Mutex::default(),
            seen: parking_lot::Mutex::default(),
            connector: AsyncMutex::default(),
            raw: parking_lot::Mutex::default(),
        }))
    }

    /// An SDK client whose requests pass here.
    pub(crate) fn client(&self, endpoint: &str) -> Client {
        Client::from_conf(settings(endpoint).http_client(self.clone()).build())
    }

    /// Does this to the next requests of `operation`, one each.
    pub(crate) fn next(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.0.faults.lock().entry(operation).or_default().extend(faults);
    }

    /// Nothing more is done to what passes.
    pub(crate) fn forget_faults(&self) {
        self.0.faults.lock().clear();
    }

    /// What passed since the last time, lost ones too.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.seen.lock())
    }

    /// Sends the last transaction that passed once more, as a network may.
    pub(crate) async fn send_last_transaction_again(&self) -> (u16, Value) {
        let request = {
            let raw = self.0.raw.lock();
            raw.last().and_then(HttpRequest::try_clone).unwrap()
        };
        let connector = self.0.connector.lock().await.clone().unwrap();
        let response = connector.call(request).await.unwrap();
        let (status, body) = read(response).await;
        (status, body)
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.0.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector {
            wire: self.clone(),
            inner,
        })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.pass(request).await })
    }
}

impl Connector {
    async fn pass(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or("");
        let operation = target.rsplit('.').next().unwrap_or("").to_owned();
        let mut body: Value = request
            .body()
            .bytes()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or(Value::Null);
        if operation != "DescribeTable" && operation != "CreateTable" && operation != "UpdateTable" {
            // This server checks no signature, so that the cost can be asked for here.
            body["ReturnConsumedCapacity"] = json!("INDEXES");
            let text = body.to_string();
            request
                .headers_mut()
                .insert("content-length", text.len().to_string());
            *request.body_mut() = SdkBody::from(text);
        }
        let fault = self.wire.fault_for(&operation);
        if operation == "TransactWriteItems" {
            let copy = request.try_clone().unwrap();
            self.wire.0.raw.lock().push(copy);
            *self.wire.0.connector.lock().await = Some(self.inner.clone());
        }
        let seen = |answer: Value| {
            self.wire.0.seen.lock().push(Seen {
                operation: operation.clone(),
                body: body.clone(),
                answer,
            });
        };
        match fault {
            Fault::Answer {
                status,
                code,
                message,
            } => {
                seen(Value::Null);
                Ok(answer(
                    status,
                    &json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message}),
                ))
            }
            Fault::Cancelled(reasons) => {
                seen(Value::Null);
                let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code})).collect();
                Ok(answer(
                    400,
                    &json!({
                        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                        "Message": "Transaction cancelled",
                        "CancellationReasons": reasons,
                    }),
                ))
            }
            Fault::LostBefore => {
                seen(Value::Null);
                Err(lost())
            }
            Fault::Stale(body) => {
                seen(body.clone());
                Ok(answer(200, &body))
            }
            Fault::LostAfter => {
                let (_, body) = read(self.inner.call(request).await?).await;
                seen(body);
                Err(lost())
            }
            Fault::Held(held) => {
                held.arrived.notify_one();
                held.go.notified().await;
                let (status, body) = read(self.inner.call(request).await?).await;
                seen(body.clone());
                Ok(answer(status, &body))
            }
            Fault::Changed(change) => {
                let (status, mut body) = read(self.inner.call(request).await?).await;
                change(&mut body);
                seen(body.clone());
                Ok(answer(status, &body))
            }
            Fault::Pass => {
                let (status, body) = read(self.inner.call(request).await?).await;
                seen(body.clone());
                Ok(answer(status, &body))
            }
        }
    }
}

impl Wire {
    fn fault_for(&self, operation: &str) -> Fault {
        let mut faults = self.0.faults.lock();
        faults
            .get_mut(operation)
            .and_then(VecDeque::pop_front)
            .unwrap_or(Fault::Pass)
    }
}

fn lost() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

async fn read(response: HttpResponse) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = ByteStream::new(response.into_body())
        .collect()
        .await
        .unwrap()
        .into_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    response
}
