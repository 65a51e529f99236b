//! The command line of the three programs, and how its flags become settings.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use myevents_core::runtime::config::{FlagValue, Inputs, Program, ServiceName};
use myevents_core::service::Scope;

use crate::commands::api_keys::scope;

/// Book tickets without overselling them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
struct ServiceLine {
    #[command(flatten)]
    file: FileFlag,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Both services, the page and metrics in one process, on SQLite with nothing else to install.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
struct MyEventsLine {
    #[command(flatten)]
    file: FileFlag,
    #[command(flatten)]
    flags: MyEventsFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct FileFlag {
    /// A JSON file with settings; the environment and flags win over it.
    #[arg(long, visible_alias = "config", value_name = "FILE", global = true)]
    conf: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MyEventsFlags {
    /// The folder of the SQLite files [default: ./myevents-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<String>,
    /// Where the page, the docs and both APIs listen on one origin [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", global = true)]
    listen: Option<String>,
    /// Where the event service listens; `none` turns it off [default: 127.0.0.1:8181]
    #[arg(long, value_name = "ADDR", global = true)]
    event_listen: Option<String>,
    /// Where the booking service listens; `none` turns it off [default: 127.0.0.1:8282]
    #[arg(long, value_name = "ADDR", global = true)]
    booking_listen: Option<String>,
    /// Where metrics listen; `none` turns them off [default: 127.0.0.1:9100]
    #[arg(long, value_name = "ADDR", global = true)]
    metrics_listen: Option<String>,
    /// Put a few halls and coming events into a store that has none
    #[arg(long, global = true)]
    demo: bool,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Run until a signal comes (what happens without a command too)
    Serve,
    /// Exit 0 if the running service answers
    Health {
        /// Its address, such as http://127.0.0.1:8080 [default: as configured]
        url: Option<String>,
    },
    /// Print the settings in force and where each came from, passwords hidden
    CheckConfig,
    /// Verify the store: the file, the counters against the bookings, the messages
    CheckStore,
    /// Print the OpenAPI document
    Openapi,
    /// Print the AsyncAPI document of the messages it sends and receives
    Asyncapi,
    /// Keys for machines that call the API, where sign-in is on
    ApiKeys {
        #[command(subcommand)]
        action: Option<KeyAction>,
    },
    /// Messages a consumer gave up on
    DeadLetters {
        #[command(subcommand)]
        action: Option<LetterAction>,
    },
    /// Messages that wait for the broker, and those it refused for good
    Outbox {
        #[command(subcommand)]
        action: Option<OutboxAction>,
    },
    /// Hold each event's counter against its bookings
    Reconcile {
        /// Set counters right that are off
        #[arg(long)]
        repair: bool,
    },
    /// Announce stored events again, for a booking service that is new or lost its copy
    Republish {
        /// Only events that start at or after this time: Unix seconds, or 2030-01-31T20:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only this event
        #[arg(long, value_name = "ID", conflicts_with = "since")]
        event: Option<String>,
    },
    /// Build the booking service's copy of the events anew from the log of a broker that keeps one; the service may run meanwhile
    Rebuild,
    /// Copy the SQLite files into a folder while the service runs
    Backup {
        /// The folder
        folder: PathBuf,
    },
    /// Put a backup back while the service does not run
    Restore {
        /// The folder
        folder: PathBuf,
    },
    /// Write every record as JSON lines, to be imported into another kind of store
    Export {
        /// The file, which must not be there yet; `-` = standard output
        #[arg(long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// Leave out messages that wait in an outbox, instead of refusing while there are any
        #[arg(long)]
        without_messages: bool,
    },
    /// Read exported records into empty stores, while no service runs on them; repeat it after a break
    Import {
        /// The file; `-` = standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        input: PathBuf,
    },
    /// Bring over what the original system left in its database
    Migrate {
        #[command(subcommand)]
        from: Origin,
    },
    /// Write a self-signed certificate for trying HTTPS
    DevCert {
        /// The folder
        folder: PathBuf,
    },
}

/// Where the original system kept its records.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Origin {
    /// A MongoDB database with its events, locations and users; run it again after a break
    Mongodb {
        /// The database [default: the dbconnection in force, if it is one of MongoDB]
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// Only say what would be done, and what can't be taken
        #[arg(long)]
        dry_run: bool,
    },
}

/// What to do with keys for machines.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeyAction {
    /// Make a key and print it, this once
    Make {
        /// What it is for, to tell it from others
        name: String,
        /// What it may do: events:write, events:admin, bookings:write, bookings:admin; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// List the keys: id, scopes, when made and last used, name
    List,
    /// Let keys no longer in
    Revoke {
        /// Ids as `list` prints them
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LetterAction {
    /// List them, oldest first
    List,
    /// Send them back to the consumer that gave up on them
    Resend(Ids),
    /// Delete them
    Drop(Ids),
}

/// What to do with the outbox.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OutboxAction {
    /// How many messages wait, how old the oldest is, how many are parked
    Depth,
    /// How many wait, and the parked ones
    List,
    /// List the messages that the broker refused for good
    Parked,
    /// Let parked messages be sent again
    Resend(Ids),
    /// Delete parked messages
    Drop(Ids),
}

/// Which ones.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ids {
    /// Ids as `list` prints them
    #[arg(required_unless_present = "all")]
    pub(crate) ids: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
}

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) inputs: Inputs,
    pub(crate) demo: bool,
}

impl Invocation {
    /// Parses the process's command line and takes its environment; an error is the status to exit with.
    pub(crate) fn from_process(program: Program) -> Result<Self, ExitCode> {
        let arguments = std::env::args().map(old_spelling);
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::parse(program, arguments, environment).map_err(|error| {
            let _closed = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })
    }

    fn parse(
        program: Program,
        arguments: impl Iterator<Item = String>,
        environment: Vec<(String, String)>,
    ) -> Result<Self, clap::Error> {
        let mut flags = Vec::new();
        let mut demo = false;
        let (file, command) = if program == Program::MyEvents {
            let mut matches = MyEventsLine::command()
                .name(program.name())
                .try_get_matches_from(arguments)?;
            let line = MyEventsLine::from_arg_matches_mut(&mut matches)?;
            demo = line.flags.demo;
            flags = line.flags.values();
            (line.file, line.command)
        } else {
            let mut matches = ServiceLine::command()
                .name(program.name())
                .try_get_matches_from(arguments)?;
            let line = ServiceLine::from_arg_matches_mut(&mut matches)?;
            (line.file, line.command)
        };
        Ok(Self {
            command: command.unwrap_or(Command::Serve),
            inputs: Inputs {
                program,
                file: file.conf,
                environment,
                flags,
            },
            demo,
        })
    }
}

impl MyEventsFlags {
    fn values(self) -> Vec<FlagValue> {
        let flag = |flag, key, service, value: Option<String>| {
            value.map(|value| FlagValue {
                flag,
                key,
                service,
                value,
            })
        };
        let endpoint = "restfulapi_endpoint";
        [
            flag("--data", "data", None, self.data),
            flag("--listen", "listen", None, self.listen),
            flag(
                "--event-listen",
                endpoint,
                Some(ServiceName::Event),
                self.event_listen,
            ),
            flag(
                "--booking-listen",
                endpoint,
                Some(ServiceName::Booking),
                self.booking_listen,
            ),
            flag("--metrics-listen", "metrics_endpoint", None, self.metrics_listen),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The original services take `-conf` and `-config` with one dash.
fn old_spelling(argument: String) -> String {
    match argument.strip_prefix('-') {
        Some(rest) if ["conf", "config"].contains(&rest.split('=').next().unwrap_or_default()) => {
            format!("-{argument}")
        }
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(program: Program, line: &str) -> Invocation {
        let arguments = line.split(' ').map(|argument| old_spelling(argument.to_owned()));
        Invocation::parse(program, arguments, Vec::new()).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        ServiceLine::command().debug_assert();
        MyEventsLine::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_behind_the_command_and_the_old_spelling_works() {
        for spelling in ["--conf", "-conf", "-config"] {
            let invocation = parse(Program::EventService, &format!("eventservice {spelling} a.json"));
            assert_eq!(invocation.inputs.file, Some("a.json".into()));
            assert!(matches!(invocation.command, Command::Serve));
        }
        let invocation = parse(Program::MyEvents, "myevents outbox --data d --event-listen none");
        assert!(matches!(invocation.command, Command::Outbox { action: None }));
        assert_eq!(invocation.inputs.flags.len(), 2);
        assert!(parse(Program::MyEvents, "myevents serve --demo").demo);
    }
}
