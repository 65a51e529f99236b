//! The booking service: bookings and users.

use std::process::ExitCode;

use myevents_app::Program;

fn main() -> ExitCode {
    myevents_app::main(Program::BookingService)
}
