//! Grafana's two files of provisioning, read as Grafana's documentation has them.
//!
//! No registry has Grafana's own reader of them, nor a schema. Grafana passes over a member that it does not know, which would hide
//! a misspelled one; here only those that it documents are taken, and the values are held to Compose and to the dashboards.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::files;

/// `/etc/grafana/provisioning/datasources/*.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Datasources {
    api_version: u8,
    #[serde(default)]
    delete_datasources: Vec<Gone>,
    #[serde(default)]
    prune: bool,
    datasources: Vec<Datasource>,
}

/// One that Grafana forgets.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "these are read to be refused when they are of another kind"
)]
struct Gone {
    name: String,
    org_id: Option<i64>,
}

/// One that it asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "these are read to be refused when they are of another kind"
)]
struct Datasource {
    name: String,
    r#type: String,
    access: Access,
    url: String,
    #[serde(default)]
    uid: String,
    org_id: Option<i64>,
    user: Option<String>,
    database: Option<String>,
    basic_auth: Option<bool>,
    basic_auth_user: Option<String>,
    with_credentials: Option<bool>,
    #[serde(default)]
    is_default: bool,
    correlations: Option<Vec<Value>>,
    json_data: Option<BTreeMap<String, Value>>,
    secure_json_data: Option<BTreeMap<String, String>>,
    version: Option<i64>,
    editable: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    Proxy,
    Direct,
}

/// `/etc/grafana/provisioning/dashboards/*.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Dashboards {
    api_version: u8,
    providers: Vec<Provider>,
}

/// A folder of dashboards.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "these are read to be refused when they are of another kind"
)]
struct Provider {
    name: String,
    r#type: Kind,
    org_id: Option<i64>,
    folder: Option<String>,
    folder_uid: Option<String>,
    disable_deletion: Option<bool>,
    update_interval_seconds: Option<u32>,
    allow_ui_updates: Option<bool>,
    editable: Option<bool>,
    options: Options,
}

/// The one that Grafana has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "these are read to be refused when they are of another kind"
)]
struct Options {
    path: String,
    folders_from_files_structure: Option<bool>,
}

/// Reads both, and holds them to Compose's Grafana, its Prometheus, and the dashboards.
///
/// # Errors
/// With what is wrong.
pub(super) fn check() -> Result<()> {
    let compose = one("compose/compose.yaml")?;
    let mounts = mounts(&compose["services"]["grafana"]);
    let mounted = |source: &str, target: &str| {
        ensure!(
            mounts
                .iter()
                .any(|mount| *mount == format!("{source}:{target}:ro")),
            "Compose's Grafana has no {source} at {target}"
        );
        Ok(())
    };
    let provisioning = "/etc/grafana/provisioning";
    mounted(
        "../monitoring/grafana/datasources.yaml",
        &format!("{provisioning}/datasources/myevents.yaml"),
    )?;
    mounted(
        "../monitoring/grafana/dashboards.yaml",
        &format!("{provisioning}/dashboards/myevents.yaml"),
    )?;

    let dashboards: Dashboards = serde_json::from_value(one("monitoring/grafana/dashboards.yaml")?)
        .context("monitoring/grafana/dashboards.yaml")?;
    ensure!(
        dashboards.api_version == 1 && dashboards.providers.len() == 1,
        "{dashboards:?}"
    );
    for provider in &dashboards.providers {
        mounted("../monitoring/dashboards", &provider.options.path)?;
    }

    let sources: Datasources = serde_json::from_value(one("monitoring/grafana/datasources.yaml")?)
        .context("monitoring/grafana/datasources.yaml")?;
    ensure!(
        sources.api_version == 1 && sources.delete_datasources.is_empty() && !sources.prune,
        "{sources:?}"
    );
    let [source] = sources.datasources.as_slice() else {
        anyhow::bail!("not one data source: {sources:?}");
    };
    ensure!(source.is_default && !source.uid.is_empty(), "{source:?}");
    ensure!(
        source.access == Access::Proxy,
        "a browser does not reach what only Compose's network has"
    );
    let (host, port) = source
        .url
        .strip_prefix("http://")
        .and_then(|address| address.split_once(':'))
        .context("no address of the data source")?;
    ensure!(
        port == "9090"
            && compose["services"][host]["image"]
                .as_str()
                .is_some_and(|image| image.contains(host)),
        "Compose has no {host} at {port}"
    );
    for file in files::list("monitoring/dashboards", ".json")? {
        let dashboard: Value = serde_json::from_str(&files::read(&file)?)?;
        let variables = &dashboard["templating"]["list"];
        ensure!(
            variables
                .as_array()
                .is_some_and(|list| list.iter().any(|each| each["type"] == "datasource"
                    && each["name"] == "datasource"
                    && each["query"] == source.r#type.as_str())),
            "{} does not ask the data source",
            file.display()
        );
    }
    println!("Grafana's data source and folder of dashboards read");
    Ok(())
}

/// The one document of a file.
fn one(file: &str) -> Result<Value> {
    let mut documents = files::yaml(&files::path(file))?;
    ensure!(documents.len() == 1, "{file} has {} documents", documents.len());
    Ok(documents.remove(0))
}

fn mounts(service: &Value) -> Vec<&str> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_grafana_would_pass_over_is_refused() {
        let source = |member: &str, value: Value| {
            let mut source =
                json!({"name": "a", "type": "prometheus", "access": "proxy", "url": "http://a:1"});
            source[member] = value;
            serde_json::from_value::<Datasources>(json!({"apiVersion": 1, "datasources": [source]}))
        };
        assert!(source("uid", json!("a")).is_ok());
        assert!(source("isdefault", json!(true)).is_err());
        assert!(source("isDefault", json!("yes")).is_err());
        assert!(source("access", json!("server")).is_err());
        let provider = |options: Value| {
            let provider = json!({"name": "a", "type": "file", "options": options});
            serde_json::from_value::<Dashboards>(json!({"apiVersion": 1, "providers": [provider]}))
        };
        assert!(provider(json!({"path": "/a"})).is_ok());
        assert!(provider(json!({"folder": "/a"})).is_err());
        assert!(provider(json!({"path": "/a", "folderFromFileStructure": true})).is_err());
    }
}
