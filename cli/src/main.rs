//! The command `downhill`: networks for tables, trained, used and looked into from a shell.
//!
//! In: arguments, files of separated values, files of models. Out: a report on the standard output (text, or one JSON document), files, and an
//! exit code: 0 where all was done, 1 where data or training failed, 2 for wrong usage. Notes, progress and errors go to the standard error
//! output.
//!
//! Must hold: whatever a file or an option says, the command ends with an error of a line or two, and never with a panic; a file is written
//! whole or not at all.
#![forbid(unsafe_code)]

mod failure;
mod report;
mod source;
mod network;
mod columns;
mod prepared;
mod saved;
mod scores;
mod drawn;
mod options;
mod guessed;
mod training;
mod known;
mod judged;
mod fit;
mod predict;
mod evaluate;
mod axes;
mod written;
mod search;
mod inspect;
mod bench;
mod command;

use crate::failure::Failure;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Wrong usage ends here, with 2; help with 0.
    let command = command::Command::parse();
    match command.run() {
        // Whoever read the output has had enough of it.
        Ok(()) | Err(Failure::Deaf) => ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => told(&message, 1),
        Err(Failure::Usage(message)) => told(&message, 2),
    }
}

fn told(message: &str, code: u8) -> ExitCode {
    report::aside("error", message);
    ExitCode::from(code)
}
