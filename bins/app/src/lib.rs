//! What the three programs share: command line, settings, building, running, stopping, and the operators' commands.

mod application;
mod background;
mod brokers;
mod cli;
mod commands;
mod demo;
mod mail;
#[cfg(not(feature = "otel"))]
#[path = "no_otel.rs"]
mod otel;
#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "page")]
mod page;
#[cfg(not(feature = "page"))]
#[path = "no_page.rs"]
mod page;
mod routes;
mod sign_in;
mod stores;

use std::process::ExitCode;

use anyhow::{Context, Result};
pub use application::Application;
pub use myevents_core::runtime::config::Program;
use myevents_core::runtime::config::Settings;
use myevents_core::runtime::{shutdown, telemetry};

use crate::cli::{Command, Invocation};

/// Runs a program from its command line to its exit status.
#[must_use]
pub fn main(program: Program) -> ExitCode {
    let invocation = match Invocation::from_process(program) {
        Ok(invocation) => invocation,
        Err(status) => return status,
    };
    match start(program, invocation) {
        Ok(status) => status,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the error that ends a program is for whoever started it"
)]
fn say_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn start(program: Program, invocation: Invocation) -> Result<ExitCode> {
    // These two work without any settings.
    match &invocation.command {
        Command::DevCert { folder } => return commands::dev_cert::run(folder),
        Command::Health { url: Some(url) } => return commands::health::run(url),
        _ => {}
    }
    let mut settings = Settings::load(&invocation.inputs)?;
    match invocation.command {
        Command::CheckConfig => return commands::check_config::run(&settings),
        Command::Openapi => return commands::openapi::run(program),
        Command::Asyncapi => return commands::asyncapi::run(program),
        Command::Health { .. } => return commands::health::run(&commands::health::own_url(&settings)?),
        _ => {}
    }
    let serving = matches!(invocation.command, Command::Serve);
    // Commands print their answer; their log would only stand between its lines.
    let log = if serving { settings.log.as_str() } else { "warn" };
    let threads = match settings.worker_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(4),
        threads => threads,
    };
    let start = |threads| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .context("can't start the runtime")
    };
    let runtime = start(if serving { threads } else { 1 })?;
    // Commands answer and end; only a service is worth following.
    let (layer, export) = match serving {
        true => otel::start(&settings.otel, program.name(), runtime.handle())?,
        false => Default::default(),
    };
    let last = export.last(settings.shutdown_timeout);
    settings.shutdown_timeout -= last;
    // The AMQP client calls what is expected an error and prints whole messages; the adapter says what matters in lines of its
    // own. A directive for it in the settings wins.
    telemetry::start(&format!("lapin=off,{log}"), &settings.log_format, layer)?;
    for warning in settings
        .warnings
        .iter()
        .map(String::as_str)
        .chain(export.warning())
    {
        tracing::warn!("{warning}");
    }
    // Clients have threads of their own, so that a crowd of them keeps nothing from its turn that the others wait for: what was
    // accepted is carried through, announced and handled.
    let clients = serving.then(|| start(threads)).transpose()?;
    let status = runtime.block_on(async {
        if let Some(clients) = &clients {
            let stop = shutdown::on_signals()?;
            let application = Application::build(settings, invocation.demo).await?;
            application.run(stop, clients.handle()).await?;
            return Ok(ExitCode::SUCCESS);
        }
        commands::run(&settings, invocation.command).await
    });
    export.finish(last);
    // What still blocks a thread (a check of a large file) must not hold up the exit.
    if let Some(clients) = clients {
        clients.shutdown_background();
    }
    runtime.shutdown_background();
    status
}
