//! `cargo xtask bench`: the micro-benchmarks, then the table of figures.

use anyhow::Result;
use clap::Args;

use crate::shell::{self, Parts};

/// Measure: the micro-benchmarks and the table of figures.
///
/// The figures are ratios: each round runs ours and the yardstick beside it, in alternating order, on this machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Few and short rounds: shows that everything runs, not what it reaches.
    #[arg(long)]
    quick: bool,

    /// Only the micro-benchmarks.
    #[arg(long, conflicts_with = "figures")]
    micro: bool,

    /// Only the table of figures.
    #[arg(long)]
    figures: bool,

    /// Passed on to the figures, such as the name of one.
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        let mut parts = Parts::default();
        if !self.figures {
            parts.part("micro-benchmarks", || {
                let mut bench = shell::cargo(&["bench", "-p", "micro", "--"]);
                if self.quick {
                    bench.args([
                        "--warm-up-time",
                        "0.2",
                        "--measurement-time",
                        "0.5",
                        "--sample-size",
                        "10",
                    ]);
                }
                shell::run(bench)
            });
        }
        if !self.micro {
            parts.part("figures", || {
                shell::run(shell::cargo(&["build", "--release", "-p", "myevents"]))?;
                let mut figures = shell::cargo(&["run", "--quiet", "--release", "-p", "figures", "--"]);
                if self.quick {
                    figures.arg("--quick");
                }
                figures.args(&self.rest);
                shell::run(figures)
            });
        }
        parts.finish()
    }
}
