//! `cargo xtask loadtest`: the load generator, built with optimisation, with its arguments passed on.

use anyhow::Result;
use clap::Args;

use crate::shell;

/// Put load on a running service and check afterwards that nothing was lost, doubled or oversold.
///
/// `cargo xtask loadtest -- --help` shows what it understands.
#[derive(Debug, Args)]
pub(crate) struct Loadtest {
    /// Passed on to the load generator.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

impl Loadtest {
    pub(crate) fn run(self) -> Result<()> {
        let mut command = shell::cargo(&["run", "--quiet", "--release", "-p", "loadtest", "--"]);
        command.args(&self.rest);
        shell::run(command)
    }
}
