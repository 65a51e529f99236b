//! From settings to open stores.

use std::sync::Arc;

use anyhow::{Context, Result};
use myevents_adapters::connect::{self, OpenStore, StoreOptions};
use myevents_core::ports::SystemClock;
use myevents_core::runtime::config::{ServiceName, ServiceSettings, Settings};

/// Which store a service has.
pub(crate) fn options(settings: &Settings, service: &ServiceSettings, tool: bool) -> StoreOptions {
    let location = match &service.connection {
        Some(connection) => connection.reveal().to_owned(),
        None => match service.database.as_str() {
            "mongodb" => "mongodb://127.0.0.1".into(),
            // None: the endpoint of the region that the AWS SDK finds.
            "dynamodb" => String::new(),
            _ => {
                let file = format!("{}.db", service.service);
                let folder = settings.data.clone().unwrap_or_default();
                folder.join(file).to_string_lossy().into_owned()
            }
        },
    };
    StoreOptions {
        kind: service.database.clone(),
        location,
        ca: service.database_ca.clone(),
        role: service.service.as_str().into(),
        tool,
        create_tables: service.create_tables,
        table_prefix: service.table_prefix.clone(),
    }
}

/// Opens the stores of all services of this program, at the same time.
pub(crate) async fn open(settings: &Settings, tool: bool) -> Result<Vec<(ServiceName, OpenStore)>> {
    let opening: Vec<_> = settings
        .services
        .iter()
        .map(|service| {
            let options = options(settings, service, tool);
            let name = service.service;
            let opening = async move { connect::store(&options, Arc::new(SystemClock)).await };
            let task = tokio::spawn(opening);
            (name, task)
        })
        .collect();
    let mut open = Vec::new();
    let mut failed = None;
    for (name, task) in opening {
        match task
            .await
            .map_err(anyhow::Error::from)
            .and_then(|opened| Ok(opened?))
        {
            Ok(store) => open.push((name, store)),
            Err(error) => failed = failed.or(Some(error.context(format!("the store of the {name}")))),
        }
    }
    let Some(error) = failed else {
        return Ok(open);
    };
    // The other one is left as clean as it was found.
    close(&open).await;
    Err(error)
}

/// Closes stores; what can't be finished is told in the log.
pub(crate) async fn close(stores: &[(ServiceName, OpenStore)]) {
    for (name, open) in stores {
        if let Err(error) = open.store.close().await {
            tracing::warn!(service = %name, %error, "the store was not closed cleanly");
        }
    }
}

/// Runs a command on the stores and closes them whatever comes of it. As a `tool` it stands beside the services; else it
/// takes their place.
pub(crate) async fn with_open<T>(
    settings: &Settings,
    tool: bool,
    work: impl AsyncFnOnce(&[(ServiceName, OpenStore)]) -> Result<T>,
) -> Result<T> {
    let stores = open(settings, tool).await.context("can't open the stores")?;
    let done = work(&stores).await;
    close(&stores).await;
    done
}
