//! The event service: events and locations.

use std::process::ExitCode;

use myevents_app::Program;

fn main() -> ExitCode {
    myevents_app::main(Program::EventService)
}
