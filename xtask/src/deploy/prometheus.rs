//! The configuration of the Prometheus that the chart runs: read by promtool, its way to find pods by the operator's schema.
//!
//! Debian builds promtool without Kubernetes. So it gets the configuration with a list of targets in place of what asks
//! Kubernetes, and that part goes, as a ScrapeConfig, to the schema that the Prometheus operator has of the same words.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{files, tools};
use crate::shell;

/// Reads the configuration in what the chart makes; answers with its ScrapeConfig, for `foreign` to hold to the schema.
///
/// # Errors
/// With what promtool says, or when there is no configuration.
pub(super) fn check(rendered: &str) -> Result<Value> {
    let folder = shell::target().join("deploy/chart/prometheus");
    fs::create_dir_all(&folder)?;
    let file = folder.join("rendered.yaml");
    fs::write(&file, rendered)?;
    let documents = files::yaml(&file)?;
    let text = |name: &str| {
        let mut maps = documents
            .iter()
            .filter(|document| document["kind"] == "ConfigMap");
        let found = maps.find_map(|map| map["data"][name].as_str());
        found.with_context(|| format!("the chart makes no {name}"))
    };
    fs::write(folder.join("rules.yaml"), text("rules.yaml")?)?;
    let file = folder.join("prometheus.yaml");
    fs::write(&file, text("prometheus.yaml")?)?;
    let mut configuration = files::yaml(&file)?.pop().context("an empty configuration")?;
    let jobs = configuration["scrape_configs"]
        .as_array_mut()
        .context("no jobs")?;
    let [job] = jobs.as_mut_slice() else {
        anyhow::bail!("not one job");
    };
    let finds = job
        .as_object_mut()
        .and_then(|job| job.remove("kubernetes_sd_configs"))
        .context("does not ask Kubernetes")?;
    // A misspelled member would be passed over by the schema, as Kubernetes drops it, and all namespaces would be watched.
    ensure!(
        finds[0]["namespaces"] == json!({"names": ["myevents"]}),
        "looks for pods in {finds}"
    );
    job["static_configs"] = json!([{"targets": ["localhost:9090"]}]);
    // JSON is YAML.
    fs::write(&file, configuration.to_string())?;
    let mut promtool = tools::command(tools::PROMTOOL)?;
    promtool.args(["check", "config"]).arg(&file);
    let said = shell::read(promtool)?;
    ensure!(said.contains("rules found"), "promtool found no rules: {said}");
    Ok(json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "ScrapeConfig",
        "metadata": {"name": "pods"},
        "spec": {"kubernetesSDConfigs": in_the_operators_words(&finds)},
    }))
}

/// Prometheus writes `attach_metadata` and `pod`, the operator `attachMetadata` and `Pod`.
fn in_the_operators_words(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(in_the_operators_words).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let value = match value.as_str() {
                    Some(role) if key == "role" => json!(capital(role)),
                    _ => in_the_operators_words(value),
                };
                let mut words = key.split('_');
                let first = words.next().unwrap_or_default().to_owned();
                (words.fold(first, |all, word| all + &capital(word)), value)
            })
            .collect(),
        other => other.clone(),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_the_operators() {
        let ours =
            json!([{"role": "pod", "attach_metadata": {"node": true}, "namespaces": {"names": ["a_b"]}}]);
        let theirs =
            json!([{"role": "Pod", "attachMetadata": {"node": true}, "namespaces": {"names": ["a_b"]}}]);
        assert_eq!(in_the_operators_words(&ours), theirs);
    }
}
