//! `openapi`: the OpenAPI document of this program's API.

use std::process::ExitCode;

use anyhow::{Result, bail};
use myevents_core::runtime::config::Program;

pub(crate) fn run(program: Program) -> Result<ExitCode> {
    bail!("{} was built without feature openapi", program.name())
}
