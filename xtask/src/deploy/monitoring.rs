//! Prometheus' rules and Grafana's dashboards, as far as reading them goes: `metrics` runs them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{files, grafana, tools};
use crate::shell;

/// Reads all with promtool and Grafana's types, and holds names against the code.
///
/// # Errors
/// With what is wrong.
pub(super) fn check() -> Result<()> {
    let mut promtool = tools::command(tools::PROMTOOL)?;
    promtool
        .args(["check", "config"])
        .arg(files::path("monitoring/prometheus.yaml"));
    shell::run(promtool)?;
    let mut promtool = tools::command(tools::PROMTOOL)?;
    promtool
        .args(["test", "rules"])
        .args(files::list("monitoring/tests", ".test.yaml")?);
    shell::run(promtool)?;
    each_alert_has_a_test()?;

    let mut python = tools::command(tools::PYTHON)?;
    python
        .arg(files::path("checks/dashboards.py"))
        .args(files::list("monitoring/dashboards", ".json")?);
    shell::run(python)?;
    grafana::check()?;
    names_are_those_of_the_code()
}

/// A rule: what is recorded or told, and its expression.
#[derive(Debug)]
pub(super) struct Rule {
    /// The alert's name, if it is one.
    pub(super) alert: Option<String>,
    /// The recorded series, if it is one.
    pub(super) record: Option<String>,
    pub(super) expression: String,
}

/// All rules.
///
/// # Errors
/// When they can't be read.
pub(super) fn rules() -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for file in files::list("monitoring/rules", ".yaml")? {
        for document in files::yaml(&file)? {
            for group in files::all(&document, "rules") {
                for rule in group.as_array().context("rules are no list")? {
                    let word = |key: &str| rule[key].as_str().map(str::to_owned);
                    rules.push(Rule {
                        alert: word("alert"),
                        record: word("record"),
                        expression: word("expr").context("a rule without expression")?,
                    });
                }
            }
        }
    }
    ensure!(!rules.is_empty(), "no rules");
    Ok(rules)
}

/// Every dashboard's file name with all its queries.
///
/// # Errors
/// When they can't be read.
pub(super) fn queries() -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    for file in files::list("monitoring/dashboards", ".json")? {
        let dashboard: Value = serde_json::from_str(&files::read(&file)?)?;
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for expression in files::all(&dashboard, "expr") {
            let expression = expression.as_str().context("a query that is no text")?;
            queries.push((name.clone(), expression.to_owned()));
        }
    }
    Ok(queries)
}

/// Each alert is seen to fire in a test, and seen not to.
fn each_alert_has_a_test() -> Result<()> {
    let mut firing = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for file in files::list("monitoring/tests", ".test.yaml")? {
        for document in files::yaml(&file)? {
            for tests in files::all(&document, "alert_rule_test") {
                for test in tests.as_array().context("tests are no list")? {
                    let name = test["alertname"].as_str().context("a test without alert")?;
                    let fires = test["exp_alerts"]
                        .as_array()
                        .is_some_and(|alerts| !alerts.is_empty());
                    let seen = if fires { &mut firing } else { &mut silent };
                    seen.insert(name.to_owned());
                }
            }
        }
    }
    for alert in rules()?.into_iter().filter_map(|rule| rule.alert) {
        ensure!(firing.contains(&alert), "no test sees {alert} fire");
        // Two fire at once; a test of theirs names a moment before as well, or other series that stay silent beside the firing one.
        ensure!(
            silent.contains(&alert),
            "no test sees {alert} stay silent at any moment"
        );
    }
    Ok(())
}

/// A query for a metric that nobody makes is never empty when it ends in `or vector(0)`: so each name is looked up in the code.
fn names_are_those_of_the_code() -> Result<()> {
    let code = files::read(&shell::root().join("myevents-core/src/metrics.rs"))?;
    let mut known: BTreeSet<String> = code
        .split('"')
        .filter(|word| {
            word.starts_with("myevents_")
                && word
                    .chars()
                    .all(|letter| letter == '_' || letter.is_ascii_lowercase())
        })
        .map(str::to_owned)
        .collect();
    ensure!(known.len() > 15, "found only {known:?} in metrics.rs");
    let rules = rules()?;
    known.extend(rules.iter().filter_map(|rule| rule.record.clone()));
    let queries = queries()?.into_iter().map(|(_, query)| query);
    let mut used = BTreeSet::new();
    for expression in rules.into_iter().map(|rule| rule.expression).chain(queries) {
        for name in names(&expression) {
            ensure!(known.contains(&name), "nothing makes {name}: {expression}");
            used.insert(name);
        }
    }
    let idle: Vec<&String> = known.difference(&used).collect();
    ensure!(idle.is_empty(), "neither shown nor watched: {idle:?}");
    println!("{} metrics, each made and used", used.len());
    Ok(())
}

/// Our metrics that an expression names, without the endings of a histogram's series.
fn names(expression: &str) -> Vec<String> {
    expression
        .split('"')
        // What stands between quotes is a label's value.
        .step_by(2)
        .flat_map(|part| part.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter)))
        .filter(|word| word.starts_with("myevents_") || word.starts_with("myevents:"))
        .map(|word| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|ending| word.strip_suffix(ending))
                // This one is a counter.
                .filter(|stem| *stem != "myevents_bookings")
                .unwrap_or(word)
                .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_values_and_endings() {
        assert_eq!(
            names(
                "sum(rate(myevents_a_bucket{system=\"myevents_x\"}[5m])) / myevents:b:c or myevents_bookings_count"
            ),
            ["myevents_a", "myevents:b:c", "myevents_bookings_count"]
        );
    }
}
