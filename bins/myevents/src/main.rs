//! Both services, the page and metrics in one process.

use std::process::ExitCode;

use myevents_app::Program;

fn main() -> ExitCode {
    myevents_app::main(Program::MyEvents)
}
