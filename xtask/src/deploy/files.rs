//! The files of `deploy/`: found, read, YAML turned into JSON.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::tools;
use crate::shell;

/// A file or folder of `deploy/`.
pub(super) fn path(below: &str) -> PathBuf {
    shell::root().join("deploy").join(below)
}

/// The files of a folder of `deploy/` whose names end so, in order; there is at least one.
///
/// # Errors
/// When the folder can't be read or holds none.
pub(super) fn list(folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let folder = path(folder);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "no *{ending} in {}", folder.display());
    Ok(files)
}

/// A file's text.
///
/// # Errors
/// When it can't be read.
pub(super) fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// What stands in a page between three backquotes with these words and the next three.
///
/// # Errors
/// When the page has no such block.
pub(super) fn block<'a>(page: &'a str, words: &str) -> Result<&'a str> {
    let begin = format!("```{words}\n");
    let inside = page
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once("```"));
    Ok(inside.with_context(|| format!("no block `{words}`"))?.0)
}

/// The documents of a YAML file.
///
/// # Errors
/// When it is no YAML.
pub(super) fn yaml(file: &Path) -> Result<Vec<Value>> {
    let script = "import json, sys, yaml
with open(sys.argv[1], encoding='utf-8') as file:
    json.dump([d for d in yaml.safe_load_all(file) if d is not None], sys.stdout, default=str)";
    let mut python = tools::command(tools::PYTHON)?;
    python.args(["-c", script]).arg(file);
    let text = shell::read(python).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// Every value under `key`, at any depth, in order.
pub(super) fn all<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == key {
                    found.push(member);
                }
                found.extend(all(member, key));
            }
        }
        Value::Array(elements) => found.extend(elements.iter().flat_map(|element| all(element, key))),
        _ => {}
    }
    found
}
