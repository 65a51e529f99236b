//! `openapi`: the OpenAPI document of this program's API.

use std::process::ExitCode;

use anyhow::Result;
use myevents_core::runtime::config::Program;

use super::say;
use crate::routes;

pub(crate) fn run(program: Program) -> Result<ExitCode> {
    say(serde_json::to_string_pretty(&routes::document(program))?);
    Ok(ExitCode::SUCCESS)
}
