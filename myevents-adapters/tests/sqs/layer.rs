//! An HTTP layer between SDK and server: it keeps what passes, and does to it what a test asks for.

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
use myevents_adapters::sqs::aws_sdk_sqs::Client;
use serde_json::{Value, json};

use crate::common::settings;

/// What happens to the next request of an operation.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The server is not asked; this error is answered.
    Answer { status: u16, code: &'static str },
    /// The server is not asked, and no answer comes.
    LostBefore,
    /// The server does it, and the answer is lost.
    LostAfter,
    /// The server does it, and its answer never ends.
    Never,
    /// The answer is no JSON.
    Garbage,
    /// The server is asked without these entries, which are answered as failed: place, code, whether the sender is at fault.
    Entries(Vec<(usize, &'static str, bool)>),
    /// The server does it, and its answer leaves this entry out.
    Forgotten(usize),
}

/// A request that passed.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

#[derive(Debug)]
struct State {
    inner: SharedHttpClient,
    faults: parking_lot::Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    seen: parking_lot::Mutex<Vec<Seen>>,
}

/// The client's side of the wire.
#[derive(Debug, Clone)]
pub(crate) struct Layer(Arc<State>);

#[derive(Debug, Clone)]
struct Connector {
    layer: Layer,
    inner: SharedHttpConnector,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            inner: aws_smithy_http_client::Builder::new().build_http(),
            faults: parking_lot::Mutex::default(),
            seen: parking_lot::Mutex::default(),
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

    /// What passed of `operation` since the last time, lost ones too.
    pub(crate) fn take_seen(&self, operation: &str) -> Vec<Value> {
        let seen = std::mem::take(&mut *self.0.seen.lock());
        let seen = seen.into_iter().filter(|seen| seen.operation == operation);
        seen.map(|seen| seen.body).collect()
    }

    fn fault_for(&self, operation: &str) -> Option<Fault> {
        self.0.faults.lock().get_mut(operation)?.pop_front()
    }
}

impl HttpClient for Layer {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.0.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector {
            layer: self.clone(),
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
        let body: Value = request
            .body()
            .bytes()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or(Value::Null);
        let fault = self.layer.fault_for(&operation);
        self.layer.0.seen.lock().push(Seen {
            operation,
            body: body.clone(),
        });
        match fault {
            None => self.inner.call(request).await,
            Some(Fault::Answer { status, code }) => Ok(answer(
                status,
                &json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "because"}).to_string(),
            )),
            Some(Fault::LostBefore) => Err(lost()),
            Some(Fault::LostAfter) => {
                read(self.inner.call(request).await?).await;
                Err(lost())
            }
            Some(Fault::Never) => {
                read(self.inner.call(request).await?).await;
                std::future::pending().await
            }
            Some(Fault::Garbage) => Ok(answer(200, "<html>a proxy's page")),
            Some(Fault::Forgotten(place)) => {
                let (status, mut body) = read(self.inner.call(request).await?).await;
                let entries = body["Successful"].as_array_mut().unwrap();
                let place = place.to_string();
                entries.retain(|entry| entry["Id"].as_str() != Some(&place));
                Ok(answer(status, &body.to_string()))
            }
            Some(Fault::Entries(failed)) => {
                let fails = |entry: &Value| {
                    let place: Option<usize> = entry["Id"].as_str().and_then(|id| id.parse().ok());
                    failed.iter().any(|(failing, ..)| Some(*failing) == place)
                };
                let mut asked = body;
                asked["Entries"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|entry| !fails(entry));
                let mut answered = json!({"Successful": []});
                if !asked["Entries"].as_array().unwrap().is_empty() {
                    let text = asked.to_string();
                    request
                        .headers_mut()
                        .insert("content-length", text.len().to_string());
                    *request.body_mut() = SdkBody::from(text);
                    answered = read(self.inner.call(request).await?).await.1;
                }
                let failed = failed.into_iter().map(|(place, code, sender)| {
                    json!({"Id": place.to_string(), "Code": code, "SenderFault": sender, "Message": "because"})
                });
                answered["Failed"] = failed.collect();
                Ok(answer(200, &answered.to_string()))
            }
        }
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

fn answer(status: u16, body: &str) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_owned()));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    response
}
