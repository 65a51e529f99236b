//! The CloudFormation templates: linted, then really created on moto, with the programs on the tables and the queue that come of it.

use std::path::Path;

use anyhow::Result;

use super::{files, tools};
use crate::shell;

/// What cfn-lint says: types, properties and references of every resource; and the scripts inside, read by what runs them.
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
    shell::run(lint)?;
    let mut python = tools::command(tools::PYTHON)?;
    python.arg(files::path("checks/scripts.py"));
    shell::run(python)
}

/// Creates the stacks and runs the programs.
///
/// # Errors
/// With what failed.
pub(super) fn check(programs: &Path) -> Result<()> {
    let mut python = tools::command(tools::PYTHON)?;
    python.arg(files::path("checks/stacks.py")).arg(programs);
    shell::run(python)
}
