//! `import`: an exported file into the stores of this program.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use myevents_adapters::transfer::{self, Imported};
use myevents_core::ErrorKind;
use myevents_core::runtime::config::Settings;
use tokio::io::{AsyncBufRead, BufReader};

use super::export::STREAM;
use super::progress::Progress;
use super::{parts, say, told};
use crate::stores;

pub(super) async fn run(settings: &Settings, input: &Path) -> Result<ExitCode> {
    let done = if input == Path::new(STREAM) {
        ensure!(
            !std::io::stdin().is_terminal(),
            "nothing is on standard input: name a file with --input"
        );
        read(settings, &mut BufReader::new(tokio::io::stdin())).await?
    } else {
        let open = async || {
            let file = tokio::fs::File::open(input).await;
            let file = file.with_context(|| format!("can't read {}", input.display()))?;
            anyhow::Ok(BufReader::with_capacity(1 << 20, file))
        };
        // A file can be read twice: nothing is stored of one that is not whole.
        let bad = transfer::check(&mut open().await?, &mut Progress::new("checked")).await?;
        ensure!(bad == 0, "{bad} lines can't be taken; nothing was stored");
        read(settings, &mut open().await?).await?
    };
    for line in told(&done.counts) {
        say(line);
    }
    if done.existing > 0 {
        say(format_args!("{} of them were there already", done.existing));
    }
    if done.faults > 0 {
        bail!(
            "{} lines were not taken: the stores are not complete; import a whole file to complete them",
            done.faults
        );
    }
    if done.off > 0 {
        bail!(
            "{} counters are not right: don't serve from these stores",
            done.off
        );
    }
    say("every counter agrees with its bookings");
    Ok(ExitCode::SUCCESS)
}

async fn read(settings: &Settings, lines: &mut (dyn AsyncBufRead + Unpin + Send)) -> Result<Imported> {
    stores::with_open(settings, false, async |stores| {
        let done = transfer::import(&parts(stores), lines, &mut Progress::new("imported")).await;
        done.map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::Conflict => {
                    "name an empty store by --data or dbconnection, or the one that this file was first imported into"
                }
                kind if kind.is_retryable() => "import the same file again: that completes what was begun",
                _ => return anyhow::Error::from(error),
            };
            anyhow::Error::from(error).context(advice)
        })
    })
    .await
}
