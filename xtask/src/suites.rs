//! `cargo xtask suites`: the table of cases by broker in `docs/backends.md`, made from what the suites said when they ran.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::shell;
use crate::skips;

/// The columns: the file that a suite writes, and the head.
const COLUMNS: [(&str, &str); 8] = [
    ("local", "`local`"),
    ("amqp-quorum", "`amqp`, quorum"),
    ("amqp-classic", "`amqp`, classic"),
    ("kafka", "`kafka`"),
    ("sqs-fifo", "`sqs`, FIFO"),
    ("sqs-standard", "`sqs`, standard"),
    ("sns-fifo", "SNS, FIFO"),
    ("sns-standard", "SNS, standard"),
];
const MARKER: &str = "<!-- cases:";
const END: &str = "<!-- end -->";
const RENEW: &str = "run all suites, then `cargo xtask suites --write`: \
                     MYEVENTS_REQUIRE=all cargo test --workspace --all-features \
                     --test broker_local --test amqp_suite --test kafka_suite --test sqs_suite";

/// Compare the table of cases by broker in `docs/backends.md` with what the suites found when they ran last.
///
/// `cargo xtask test` does it after the tests. The suites leave their findings in `target/tmp/suite`.
#[derive(Debug, Args)]
pub(crate) struct Suites {
    /// Write the table instead.
    #[arg(long)]
    write: bool,
}

impl Suites {
    pub(crate) fn run(self) -> Result<()> {
        let reports = read()?;
        let absent = absent(&reports);
        ensure!(absent.is_empty(), "no findings of {}; {RENEW}", absent.join(", "));
        let (page, wanted) = filled(&reports)?;
        if self.write && page != wanted {
            fs::write(path(), wanted)?;
            println!("wrote the table of cases");
            return Ok(());
        }
        check(&page, &wanted)
    }
}

/// What earlier runs found counts no more.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn forget() -> Result<()> {
    match fs::remove_dir_all(folder()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Compares the table with what this run found. What could not run here is said; with MYEVENTS_REQUIRE=all it is a failure.
///
/// # Errors
/// When the table says something else.
pub(crate) fn compare() -> Result<()> {
    let reports = read()?;
    let absent = absent(&reports);
    if !absent.is_empty() {
        ensure!(
            !skips::required(),
            "the suites of {} left nothing",
            absent.join(", ")
        );
        println!(
            "--- the table of cases was not compared: {} did not run",
            absent.join(", ")
        );
        return Ok(());
    }
    let (page, wanted) = filled(&reports)?;
    check(&page, &wanted)?;
    println!("--- the table of cases in docs/backends.md is what the suites found");
    Ok(())
}

fn check(page: &str, wanted: &str) -> Result<()> {
    if page == wanted {
        return Ok(());
    }
    let line = page.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
    let (is, wanted) = line.unwrap_or_default();
    bail!("docs/backends.md says\n  {is}\nand the suites found\n  {wanted}\n{RENEW}")
}

fn folder() -> PathBuf {
    shell::target().join("tmp/suite")
}

fn path() -> PathBuf {
    shell::root().join("docs/backends.md")
}

type Reports = BTreeMap<&'static str, Value>;

fn read() -> Result<Reports> {
    let mut reports = Reports::new();
    for (column, _) in COLUMNS {
        let file = folder().join(format!("{column}.json"));
        match fs::read_to_string(&file) {
            Ok(text) => {
                let report = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
                reports.insert(column, report);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(reports)
}

fn absent(reports: &Reports) -> Vec<&'static str> {
    let columns = COLUMNS.iter().map(|(column, _)| *column);
    columns.filter(|column| !reports.contains_key(column)).collect()
}

/// The page, and the page with the table of these reports.
fn filled(reports: &Reports) -> Result<(String, String)> {
    let page = fs::read_to_string(path())?;
    let table = table(reports)?;
    let start = page
        .find(MARKER)
        .context("docs/backends.md has no place for the table")?;
    let start = start + page[start..].find('\n').context("the marker ends its line")? + 1;
    let end = start + page[start..].find(END).context("the table has no end")?;
    let wanted = format!("{}{table}{}", &page[..start], &page[end..]);
    Ok((page, wanted))
}

fn table(reports: &Reports) -> Result<String> {
    let mut rows: BTreeMap<String, (String, BTreeMap<&str, &str>)> = BTreeMap::new();
    let mut reasons: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (column, head) in COLUMNS {
        let cases = reports.get(column).and_then(|report| report["cases"].as_array());
        for case in cases.with_context(|| format!("{column} has no cases"))? {
            let text = |name: &str| case[name].as_str().unwrap_or_default();
            let (id, reason) = (text("id").to_owned(), text("reason"));
            let cell = match text("verdict") {
                "passed" => "✓",
                "not applicable" => {
                    let of = reasons.entry((id.clone(), reason.to_owned()));
                    of.or_default().push(head);
                    "–"
                }
                other => bail!("{id} on {column}: {other}: {reason}"),
            };
            let row = rows.entry(id);
            row.or_insert_with(|| (text("title").to_owned(), BTreeMap::new()))
                .1
                .insert(column, cell);
        }
    }
    let mut table = "| case | what it shows |".to_owned();
    for (_, head) in COLUMNS {
        write!(table, " {head} |")?;
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(COLUMNS.len()));
    table.push('\n');
    for (id, (title, cells)) in &rows {
        write!(table, "| {id} | {title} |")?;
        for (column, _) in COLUMNS {
            write!(table, " {} |", cells.get(column).copied().unwrap_or_default())?;
        }
        table.push('\n');
    }
    table.push_str("\n✓ holds; – does not apply, see below; empty: not run there.\n\n");
    for ((id, reason), heads) in &reasons {
        writeln!(table, "* {id}, {}: {reason}.", heads.join("; "))?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reports(verdict: &str) -> Reports {
        let of = |column| {
            let verdict = if column == "kafka" { verdict } else { "passed" };
            let case = json!({"id": "C01", "title": "a case", "verdict": verdict, "reason": "no log"});
            json!({"cases": [case]})
        };
        COLUMNS.iter().map(|(column, _)| (*column, of(*column))).collect()
    }

    #[test]
    fn a_case_that_does_not_apply_is_there_with_its_reason() {
        let table = table(&reports("not applicable")).unwrap();
        assert!(
            table.contains("| C01 | a case | ✓ | ✓ | ✓ | – | ✓ | ✓ | ✓ | ✓ |"),
            "{table}"
        );
        assert!(table.contains("* C01, `kafka`: no log."), "{table}");
    }

    #[test]
    fn a_failure_is_no_table_and_a_column_is_missed() {
        assert!(table(&reports("failed")).is_err());
        let mut reports = reports("passed");
        reports.remove("kafka");
        assert_eq!(absent(&reports), ["kafka"]);
        assert!(table(&reports).is_err());
    }
}
