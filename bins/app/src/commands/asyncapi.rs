//! `asyncapi`: the AsyncAPI document of the messages that this program sends and receives.

use std::process::ExitCode;

use anyhow::Result;
use myevents_core::contract::Registry;
use myevents_core::contract::asyncapi::{self, Traffic};
use myevents_core::runtime::config::Program;

use super::say;

pub(crate) fn run(program: Program) -> Result<ExitCode> {
    let (title, traffic) = match program {
        Program::EventService => ("MyEvents event service", Traffic::of_event_service()),
        Program::BookingService => ("MyEvents booking service", Traffic::of_booking_service()),
        Program::MyEvents => (
            "MyEvents",
            Traffic::of_event_service().with(Traffic::of_booking_service()),
        ),
    };
    let document = asyncapi::document(title, &Registry::default(), &traffic);
    say(serde_json::to_string_pretty(&document)?);
    Ok(ExitCode::SUCCESS)
}
