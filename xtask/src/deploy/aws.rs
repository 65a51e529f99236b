//! The CloudFormation templates: linted, then really created on moto, with `myevents` on the tables that come of it.

use std::path::Path;

use anyhow::Result;

use super::{files, tools};
use crate::shell;

/// What cfn-lint says: types, properties and references of every resource.
///
/// # Errors
/// With that.
pub(super) fn lint() -> Result<()> {
    let mut lint = tools::command(tools::PYTHON)?;
    lint.args([
        "-c",
        "import sys; from cfnlint.runner import main; sys.exit(main())",
    ])
    .args(files::list("aws", ".yaml")?);
    shell::run(lint)
}

/// Creates the stacks and runs the program.
///
/// # Errors
/// With what failed.
pub(super) fn check(program: &Path) -> Result<()> {
    let mut python = tools::command(tools::PYTHON)?;
    python.arg(files::path("checks/stacks.py")).arg(program);
    shell::run(python)
}
